import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.security.MessageDigest;
import java.util.Map;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;

/** Everything a decoded message says about itself. */
final class MessageFields {
  private static final char[] DIGITS = "0123456789abcdef".toCharArray();

  private MessageFields() {}

  static Map<String, Object> withBodyHash(MessageExt message) throws Exception {
    Map<String, Object> fields = of(message);
    byte[] body = message.getBody() == null ? new byte[0] : message.getBody();
    fields.put("bodySha256", sha256(body));
    return fields;
  }

  static Map<String, Object> withBody(MessageExt message) {
    Map<String, Object> fields = of(message);
    fields.put("bodyHex", message.getBody() == null ? null : hex(message.getBody()));
    return fields;
  }

  static Map<String, Object> of(MessageExt message) {
    boolean isClientExt = message instanceof MessageClientExt;
    return Args.map(
        "topic", message.getTopic(),
        "brokerName", message.getBrokerName(),
        "queueId", message.getQueueId(),
        "queueOffset", message.getQueueOffset(),
        "commitLogOffset", message.getCommitLogOffset(),
        "storeSize", message.getStoreSize(),
        "msgId", message.getMsgId(),
        "offsetMsgId", isClientExt ? ((MessageClientExt) message).getOffsetMsgId() : null,
        "tags", message.getTags(),
        "keys", message.getKeys(),
        "properties", message.getProperties(),
        "bodyLength", message.getBody() == null ? 0 : message.getBody().length,
        "bodyCRC", message.getBodyCRC(),
        "sysFlag", message.getSysFlag(),
        "flag", message.getFlag(),
        "bornTimestamp", message.getBornTimestamp(),
        "bornHost", address(message.getBornHost()),
        "storeTimestamp", message.getStoreTimestamp(),
        "storeHost", address(message.getStoreHost()),
        "reconsumeTimes", message.getReconsumeTimes(),
        "preparedTransactionOffset", message.getPreparedTransactionOffset(),
        "transactionId", message.getTransactionId());
  }

  /** `1.2.3.4:10911`, `[2001:db8:0:0:0:0:0:1]:10911`; no name is ever looked up. */
  static String address(SocketAddress value) {
    if (value == null) return null;
    InetSocketAddress address = (InetSocketAddress) value;
    String ip = address.getAddress().getHostAddress();
    return (ip.indexOf(':') < 0 ? ip : "[" + ip + "]") + ":" + address.getPort();
  }

  static String sha256(byte[] bytes) throws Exception {
    return hex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  static String hex(byte[] bytes) {
    StringBuilder out = new StringBuilder(bytes.length * 2);
    for (byte b : bytes) out.append(DIGITS[b >> 4 & 15]).append(DIGITS[b & 15]);
    return out.toString();
  }
}
