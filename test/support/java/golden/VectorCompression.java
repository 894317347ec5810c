import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.compression.Compressor;
import org.apache.rocketmq.common.compression.CompressorFactory;

/** Bodies compressed with each of Java's algorithms. */
final class VectorCompression {
  private static final int LEVEL = 5;
  private static final String SENTENCE = "RocketMQ keeps the messages of a queue in the order in which they were stored. ";

  private final List<Object> cases = new ArrayList<>();

  private VectorCompression() {}

  static List<Object> compressed() throws Exception {
    VectorCompression vectors = new VectorCompression();
    vectors.add("one byte", Args.map("text", "a"), "a".getBytes(StandardCharsets.UTF_8));
    vectors.add("a short text", Args.map("text", "hello hello hello hello"), "hello hello hello hello".getBytes(StandardCharsets.UTF_8));
    vectors.addPattern("5 KiB of text", SENTENCE, 5 * 1024);
    vectors.addPattern("4 MiB, exactly one LZ4 block", "0123456789", 4 * 1024 * 1024);
    vectors.addPattern("5 MiB, more than one LZ4 block", SENTENCE, 5 * 1024 * 1024);
    byte[] random = Messages.body(7, 0, 70_000);
    vectors.add("70000 bytes that can't be compressed", Args.map("seed", 7, "index", 0, "size", random.length), random);
    return vectors.cases;
  }

  private void addPattern(String name, String pattern, int size) throws Exception {
    byte[] unit = pattern.getBytes(StandardCharsets.UTF_8);
    byte[] input = new byte[size];
    for (int i = 0; i < size; i++) input[i] = unit[i % unit.length];
    add(name, Args.map("pattern", pattern, "size", size), input);
  }

  private void add(String name, Map<String, Object> input, byte[] bytes) throws Exception {
    for (CompressionType type : CompressionType.values()) {
      Compressor compressor = CompressorFactory.getCompressor(type);
      byte[] compressed = compressor.compress(bytes, LEVEL);
      if (!Arrays.equals(compressor.decompress(compressed), bytes)) throw new IllegalStateException(type + " does not restore " + name);
      cases.add(Args.map("name", name, "type", type, "sysFlag", type.getCompressionFlag() | 1, "input", input, "inputSize", bytes.length, "inputSha256",
          MessageFields.sha256(bytes), "compressedSize", compressed.length, "base64", Base64.getEncoder().encodeToString(compressed)));
    }
  }
}
