import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.common.message.MessageExt;

/** What a consumer was given, in that order: kept here, or in a file, line by line, which a killed JVM leaves behind complete. */
final class Deliveries {
  private static final String SHARDING_KEY = "__SHARDINGKEY";

  private final List<Object> kept = new ArrayList<>();
  private final OutputStream file;
  private final String property;
  private int count;

  /** `file` is the path to append to; `property` the name of a message property to record. Both are optional. */
  Deliveries(Args args) throws IOException {
    // Not buffered: each line is the operating system's as soon as it is written.
    file = args.has("file") ? new FileOutputStream(args.text("file"), true) : null;
    property = args.text("property", null);
  }

  /** `outcome` is what the handler is going to say of it. */
  void add(MessageExt message, String outcome) throws Exception {
    Object record = record(message, outcome);
    byte[] line = file == null ? null : (Json.write(record) + "\n").getBytes(StandardCharsets.UTF_8);
    synchronized (this) {
      count++;
      if (file == null) kept.add(record);
      else file.write(line);
    }
  }

  synchronized Object from(Args args) {
    int from = Math.min((int) args.number("from", 0), kept.size());
    return Args.map("count", count, "deliveries", new ArrayList<>(kept.subList(from, kept.size())));
  }

  private Object record(MessageExt message, String outcome) throws Exception {
    byte[] body = message.getBody() == null ? new byte[0] : message.getBody();
    return Args.map(
        "msgId", message.getMsgId(),
        "topic", message.getTopic(),
        "brokerName", message.getBrokerName(),
        "queueId", message.getQueueId(),
        "queueOffset", message.getQueueOffset(),
        "keys", message.getKeys(),
        "tags", message.getTags(),
        "shardingKey", message.getProperty(SHARDING_KEY),
        "property", property == null ? Args.ABSENT : message.getProperty(property),
        "reconsumeTimes", message.getReconsumeTimes(),
        "bodySha256", MessageFields.sha256(body),
        "outcome", outcome,
        "t", System.currentTimeMillis());
  }
}
