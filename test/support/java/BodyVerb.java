import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;

/** Reads bodies of requests and answers as the official classes do. */
final class BodyVerb {
  private static final String[] PACKAGES = {"org.apache.rocketmq.remoting.protocol.body.", "org.apache.rocketmq.common.protocol.body."};

  private BodyVerb() {}

  /** What an object of `class` that was decoded from `text` says of itself. */
  static Object read(Args args) throws Exception {
    return Beans.read(RemotingSerializable.decode(args.text("text").getBytes(StandardCharsets.UTF_8), find(args.text("class"))));
  }

  /** 5.x has them in another package. */
  private static Class<?> find(String name) throws ClassNotFoundException {
    try {
      return Class.forName(PACKAGES[0] + name);
    } catch (ClassNotFoundException e) {
      return Class.forName(PACKAGES[1] + name);
    }
  }
}
