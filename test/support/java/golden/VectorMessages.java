import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;

/** Stored messages, as they come in the bodies of pulls. */
final class VectorMessages {
  private static final String IPV6 = "2001:db8:0:0:0:0:0:1";
  private static final String PLAIN = "the quick brown fox jumps over the lazy dog; \u4f60\u597d \ud83d\ude00. ".repeat(12);

  private final List<Object> cases = new ArrayList<>();

  private VectorMessages() {}

  static List<Object> messages() throws Exception {
    VectorMessages messages = new VectorMessages();
    messages.layouts();
    messages.compressed();
    messages.contents();
    messages.flags();
    messages.several();
    return messages.cases;
  }

  private void layouts() throws Exception {
    add("plain", new StoredMessage("TopicTest", "hello"));
    add("born on IPv6, stored on IPv4", new StoredMessage("TopicTest", "hello").hosts(IPV6, 54321, "10.1.2.3", 10911));
    add("born on IPv4, stored on IPv6", new StoredMessage("TopicTest", "hello").hosts("198.51.100.7", 1, IPV6, 10911));
    add("born and stored on IPv6", new StoredMessage("TopicTest", "hello").hosts("fe80:0:0:0:202:b3ff:fe1e:8329", 65535, IPV6, 10911));
    add("a topic of 127 bytes", new StoredMessage("t".repeat(127), "hello"));
    add("a topic of 128 bytes, so magic V2", new StoredMessage("t".repeat(128), "hello"));
    add("a retry topic of 255 bytes", new StoredMessage("%RETRY%" + "g".repeat(248), "hello"));
    add("a topic of 300 bytes on IPv6", new StoredMessage("t".repeat(300), "hello").hosts(IPV6, 54321, IPV6, 10911));
    add("a topic beyond ASCII", new StoredMessage("\u4e3b\u9898", "hello"));
    add("offsets at 2^53 - 1", new StoredMessage("TopicTest", "hello").offsets(9_007_199_254_740_991L, 9_007_199_254_740_991L));
    add("offsets beyond 2^53", new StoredMessage("TopicTest", "hello").offsets(9_007_199_254_740_993L, Long.MAX_VALUE));
    StoredMessage numbers = new StoredMessage("TopicTest", "hello").offsets(4_294_967_295L, 4_294_967_296L);
    numbers.message.setFlag(-1);
    numbers.message.setQueueId(Integer.MAX_VALUE);
    numbers.message.setReconsumeTimes(16);
    numbers.message.setPreparedTransactionOffset(2_147_483_648L);
    numbers.message.setBornTimestamp(0);
    add("numbers at the edges of 32 bits", numbers);
  }

  private void compressed() throws Exception {
    add("ZLIB", new StoredMessage("TopicTest", PLAIN).compress(CompressionType.ZLIB, CompressionType.ZLIB.getCompressionFlag()));
    add("ZLIB of a sender before 5.0", new StoredMessage("TopicTest", PLAIN).compress(CompressionType.ZLIB, 0));
    add("LZ4", new StoredMessage("TopicTest", PLAIN).compress(CompressionType.LZ4, CompressionType.LZ4.getCompressionFlag()));
    add("ZSTD", new StoredMessage("TopicTest", PLAIN).compress(CompressionType.ZSTD, CompressionType.ZSTD.getCompressionFlag()));
  }

  private void contents() throws Exception {
    add("no properties", new StoredMessage("TopicTest", "hello").properties(""));
    add("one property without the last separator", new StoredMessage("TopicTest", "hello").properties("TAGS\u0001TagA"));
    add("no unique id", new StoredMessage("TopicTest", "hello").properties("TAGS\u0001TagA\u0002"));
    add("unicode", new StoredMessage("TopicTest", "\u4f60\u597d \ud83d\ude00 caf\u00e9").properties(
        "KEYS\u0001\u8ba2\u5355-1 \u8ba2\u5355-2\u0002TAGS\u0001\u6807\u7b7e\u0002\u540d\u524d\u0001\u5024\ud83d\ude00\u0002"));
    add("names of JavaScript", new StoredMessage("TopicTest", "hello").properties("__proto__\u0001x\u0002constructor\u0001y\u0002hasOwnProperty\u0001z\u0002"));
    StringBuilder many = new StringBuilder();
    for (int i = 0; i < 100; i++) many.append("name").append(i).append('\u0001').append("value").append(i).append('\u0002');
    add("a hundred properties", new StoredMessage("TopicTest", "hello").properties(many.toString()));
    add("properties of 32767 bytes", new StoredMessage("TopicTest", "h").properties("big\u0001" + "v".repeat(32_767 - 5) + "\u0002"));
    add("a broker that appends the CRC property", new StoredMessage("TopicTest", "hello").withCrcProperty());
    add("a body of one byte", new StoredMessage("TopicTest", "\u0000"));
    add("without a body", new StoredMessage("TopicTest", ""));
    StoredMessage random = new StoredMessage("TopicTest", "");
    random.message.setBody(Messages.body(3, 0, 1000));
    add("a body of 1000 bytes, bodyOf(3, 0, 1000)", random);
  }

  private void flags() throws Exception {
    String transaction = "TRAN_MSG\u0001true\u0002PGROUP\u0001group\u0002UNIQ_KEY\u00017F0000010BB8070DEA4E23A1B2C30000\u0002__transactionId__\u00017F0000010BB8070DEA4E23A1B2C30000\u0002";
    int[] types = {MessageSysFlag.TRANSACTION_PREPARED_TYPE, MessageSysFlag.TRANSACTION_COMMIT_TYPE, MessageSysFlag.TRANSACTION_ROLLBACK_TYPE};
    String[] names = {"prepared", "commit", "rollback"};
    for (int i = 0; i < types.length; i++) {
      StoredMessage stored = new StoredMessage("TopicTest", "hello").properties(transaction).addSysFlag(types[i]);
      stored.message.setPreparedTransactionOffset(i == 0 ? 0 : 123_456_788_000L);
      add("transaction " + names[i], stored);
    }
    add("multiple tags", new StoredMessage("TopicTest", "hello").addSysFlag(MessageSysFlag.MULTI_TAGS_FLAG));
    add("an inner batch", innerBatch());
    add("an inner batch on IPv6", innerBatch().hosts(IPV6, 54321, IPV6, 10911));
    add("the bit of an inner batch without the bit to unwrap it", new StoredMessage("TopicTest", "hello").addSysFlag(MessageSysFlag.INNER_BATCH_FLAG));
  }

  private static StoredMessage innerBatch() throws Exception {
    List<Message> parts = Arrays.asList(
        VectorBatches.message(0, "first", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30001", "TAGS", "TagA"),
        VectorBatches.message(5, "second \u4f60\u597d", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30002"),
        VectorBatches.message(0, "third"));
    return StoredMessage.innerBatch(MessageDecoder.encodeMessages(parts), parts.size());
  }

  private void several() throws Exception {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    for (int i = 0; i < 5; i++) {
      StoredMessage stored = new StoredMessage(i == 2 ? "t".repeat(200) : "TopicTest", "message " + i).offsets(10 + i, 1000 + 300 * i);
      if (i == 1) stored.hosts(IPV6, 54321, "127.0.0.1", 10911);
      if (i == 3) stored.compress(CompressionType.LZ4, CompressionType.LZ4.getCompressionFlag());
      if (i == 4) stored.properties("");
      body.write(stored.encode());
    }
    add("five back to back", body.toByteArray());
    ByteArrayOutputStream mixed = new ByteArrayOutputStream();
    mixed.write(new StoredMessage("BatchTopic", "before").offsets(99, 1000).encode());
    mixed.write(innerBatch().encode());
    mixed.write(new StoredMessage("BatchTopic", "after").offsets(103, 2000).encode());
    add("an inner batch between two messages", mixed.toByteArray());
  }

  private void add(String name, StoredMessage stored) throws Exception {
    add(name, stored.encode());
  }

  private void add(String name, byte[] body) throws Exception {
    int storedSysFlag = java.nio.ByteBuffer.wrap(body).getInt(MessageDecoder.SYSFLAG_POSITION);
    cases.add(Args.map("name", name, "hex", MessageFields.hex(body), "storedSysFlag", storedSysFlag, "decoded", StoredMessage.decodeAll(body)));
  }
}
