import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.compression.CompressorFactory;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.common.message.MessageVersion;
import org.apache.rocketmq.common.sysflag.MessageSysFlag;
import org.apache.rocketmq.store.CommitLog;
import org.apache.rocketmq.store.MessageExtEncoder;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/** One message as the broker writes it to its commit log and hands it to consumers. */
final class StoredMessage {
  private static final int QUEUE_OFFSET_AT = 20;
  private static final int COMMIT_LOG_OFFSET_AT = 28;
  private static final int INNER_BATCH = MessageSysFlag.INNER_BATCH_FLAG | MessageSysFlag.NEED_UNWRAP_FLAG;

  final MessageExtBrokerInner message = new MessageExtBrokerInner();
  private long queueOffset = 7;
  private long commitLogOffset = 123_456_789_012L;
  private String properties = "KEYS\u0001k1\u0002TAGS\u0001TagA\u0002UNIQ_KEY\u00017F0000010BB8070DEA4E23A1B2C30000\u0002CLUSTER\u0001DefaultCluster\u0002";
  private boolean withCrcProperty;

  StoredMessage(String topic, String body) throws Exception {
    message.setTopic(topic);
    message.setBody(body.getBytes(StandardCharsets.UTF_8));
    message.setQueueId(3);
    message.setBornTimestamp(1_700_000_000_123L);
    message.setStoreTimestamp(1_700_000_000_456L);
    message.setReconsumeTimes(0);
    hosts("192.0.2.10", 54321, "127.0.0.1", 10911);
    if (topic.getBytes(StandardCharsets.UTF_8).length > Byte.MAX_VALUE) message.setVersion(MessageVersion.MESSAGE_VERSION_V2);
  }

  static StoredMessage innerBatch(byte[] body, int count) throws Exception {
    StoredMessage stored = new StoredMessage("BatchTopic", "");
    stored.message.setBody(body);
    stored.addSysFlag(INNER_BATCH);
    stored.offsets(100, 4_294_967_296L);
    stored.properties = "INNER_NUM\u0001" + count + "\u0002INNER_BASE\u0001100\u0002UNIQ_KEY\u00017F0000010BB8070DEA4E23A1B2C300FF\u0002";
    return stored;
  }

  StoredMessage hosts(String born, int bornPort, String store, int storePort) throws Exception {
    message.setBornHost(new InetSocketAddress(InetAddress.getByName(born), bornPort));
    message.setStoreHost(new InetSocketAddress(InetAddress.getByName(store), storePort));
    if (born.indexOf(':') >= 0) message.setBornHostV6Flag();
    if (store.indexOf(':') >= 0) message.setStoreHostAddressV6Flag();
    return this;
  }

  StoredMessage properties(String text) {
    properties = text;
    return this;
  }

  StoredMessage offsets(long inQueue, long inCommitLog) {
    queueOffset = inQueue;
    commitLogOffset = inCommitLog;
    return this;
  }

  StoredMessage addSysFlag(int bits) {
    message.setSysFlag(message.getSysFlag() | bits);
    return this;
  }

  /** With `typeBits` 0 the flag names no algorithm, as senders before 5.0 leave it: then it is ZLIB. */
  StoredMessage compress(CompressionType type, int typeBits) throws Exception {
    message.setBody(CompressorFactory.getCompressor(type).compress(message.getBody(), 5));
    return addSysFlag(MessageSysFlag.COMPRESSED_FLAG | typeBits);
  }

  /** As with the broker's option enabledAppendPropCRC. */
  StoredMessage withCrcProperty() {
    withCrcProperty = true;
    return this;
  }

  byte[] encode() {
    message.setPropertiesString(properties);
    message.setBodyCRC(UtilAll.crc32(message.getBody()));
    MessageStoreConfig config = new MessageStoreConfig();
    config.setMaxMessageSize(64 * 1024);
    config.setEnabledAppendPropCRC(withCrcProperty);
    MessageExtEncoder encoder = new MessageExtEncoder(config);
    if (encoder.encode(message) != null) throw new IllegalStateException("the broker's encoder refused " + message);
    ByteBuffer buffer = encoder.getEncoderBuffer();
    byte[] bytes = new byte[buffer.getInt(0)];
    buffer.get(bytes);
    ByteBuffer.wrap(bytes).putLong(QUEUE_OFFSET_AT, queueOffset).putLong(COMMIT_LOG_OFFSET_AT, commitLogOffset);
    if (withCrcProperty) {
      int end = bytes.length - CommitLog.CRC32_RESERVED_LEN;
      ByteBuffer crcProperty = ByteBuffer.wrap(bytes, end, CommitLog.CRC32_RESERVED_LEN);
      MessageDecoder.createCrc32(crcProperty, UtilAll.crc32(bytes, 0, end));
    }
    return bytes;
  }

  /** As PullAPIWrapper does with the body of a pull. */
  static List<Object> decodeAll(byte[] body) throws Exception {
    List<Object> result = new ArrayList<>();
    ByteBuffer buffer = ByteBuffer.wrap(body);
    for (MessageExt message : MessageDecoder.decodes(buffer)) {
      if ((message.getSysFlag() & INNER_BATCH) != INNER_BATCH) {
        result.add(fields(message));
        continue;
      }
      List<MessageExt> parts = new ArrayList<>();
      MessageDecoder.decodeMessage(message, parts);
      for (MessageExt part : parts) result.add(fields(part));
    }
    return result;
  }

  private static Map<String, Object> fields(MessageExt message) {
    Map<String, Object> fields = MessageFields.withBody(message);
    // Set from the pull's queue and the message's properties later on.
    fields.remove("brokerName");
    fields.remove("transactionId");
    return fields;
  }
}
