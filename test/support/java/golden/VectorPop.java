import java.io.ByteArrayOutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.body.BatchAck;
import org.apache.rocketmq.remoting.protocol.body.BatchAckMessageRequestBody;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/** Receipts of popped messages, answers to pops, and batches of acknowledgements. */
final class VectorPop {
  private static final String BROKER = "broker-a";
  private static final long POP_TIME = 1_700_000_000_000L;
  private static final String GROUP = "group";
  private static final String RETRY_V1 = "%RETRY%group_T";
  private static final String RETRY_V2 = "%RETRY%group+T";

  private final List<Object> cases = new ArrayList<>();

  private VectorPop() {}

  static List<Object> receipts() {
    List<Object> cases = new ArrayList<>();
    cases.add(receipt(0, POP_TIME, 60_000, 3, "T", BROKER, 2, 0));
    cases.add(receipt(9_007_199_254_740_990L, POP_TIME, 43_200_000, 999, "T", "a-b_c", 2_147_483_647, 9_007_199_254_740_991L));
    cases.add(receipt(7, 0, 1, 0, RETRY_V1, BROKER, 0, 9));
    cases.add(receipt(7, POP_TIME, 1, 0, RETRY_V2, BROKER, 0, 9));
    cases.add(receipt(7, POP_TIME, 1, 0, "%RETRY%a_group+b_T", BROKER, 0, 9));
    cases.add(receipt(7, POP_TIME, 1, 0, "%RETRY%ns%group_ns%T", BROKER, 0, 9));
    return cases;
  }

  private static Object receipt(long ckOffset, long popTime, long invisibleTime, int reviveQid, String topic, String broker, int queueId, long offset) {
    String text = ExtraInfoUtil.buildExtraInfo(ckOffset, popTime, invisibleTime, reviveQid, topic, broker, queueId, offset);
    String[] parts = ExtraInfoUtil.split(text);
    return Args.map("topic", topic, "text", text, "ckQueueOffset", ExtraInfoUtil.getCkQueueOffset(parts), "popTime", ExtraInfoUtil.getPopTime(parts), "invisibleTime",
        ExtraInfoUtil.getInvisibleTime(parts), "reviveQid", ExtraInfoUtil.getReviveQid(parts), "retry", ExtraInfoUtil.getRetry(parts), "brokerName", ExtraInfoUtil.getBrokerName(parts),
        "queueId", ExtraInfoUtil.getQueueId(parts), "queueOffset", ExtraInfoUtil.getQueueOffset(parts), "realTopic", ExtraInfoUtil.getRealTopic(parts, "T", GROUP));
  }

  static List<Object> batchAcks() {
    List<Object> cases = new ArrayList<>();
    cases.add(batchAck("T", "T", 0, 0));
    cases.add(batchAck("T", "T", 0, 0, 1, 2, 3, 4, 5, 6, 7));
    cases.add(batchAck("T", "T", 100, 100, 108, 115, 163, 164));
    cases.add(batchAck("T", "T", 100, 4_000, 131));
    cases.add(batchAck("T", RETRY_V1, 4_294_967_296L, 4_294_967_296L, 4_294_967_300L));
    cases.add(batchAck("T", RETRY_V2, 5, 36));
    return cases;
  }

  private static Object batchAck(String topic, String from, long startOffset, long... offsets) {
    BatchAck ack = new BatchAck();
    ack.setConsumerGroup(GROUP);
    ack.setTopic(topic);
    List<String> receipts = new ArrayList<>();
    BitSet bits = new BitSet();
    for (long offset : offsets) {
      String receipt = ExtraInfoUtil.buildExtraInfo(startOffset, POP_TIME, 60_000, 4, from, BROKER, 3, offset);
      receipts.add(receipt);
      String[] parts = ExtraInfoUtil.split(receipt);
      ack.setRetry(ExtraInfoUtil.getRetry(parts));
      ack.setStartOffset(ExtraInfoUtil.getCkQueueOffset(parts));
      ack.setQueueId(ExtraInfoUtil.getQueueId(parts));
      ack.setReviveQueueId(ExtraInfoUtil.getReviveQid(parts));
      ack.setPopTime(ExtraInfoUtil.getPopTime(parts));
      ack.setInvisibleTime(ExtraInfoUtil.getInvisibleTime(parts));
      bits.set((int) (offset - startOffset));
    }
    ack.setBitSet(bits);
    BatchAckMessageRequestBody body = new BatchAckMessageRequestBody();
    body.setBrokerName(BROKER);
    body.setAcks(List.of(ack));
    return Args.map("topic", topic, "consumerGroup", GROUP, "brokerName", BROKER, "receipts", receipts, "body", body.toJson());
  }

  static List<Object> answers() throws Exception {
    VectorPop pop = new VectorPop();
    pop.fresh();
    pop.retried();
    pop.inOrder();
    pop.faulty();
    return pop.cases;
  }

  private void fresh() throws Exception {
    add("one message", "0 3 7", "0 3 7", null, stored("T", 3, 7));
    add("two queues in turn", "0 0 10;0 1 20", "0 0 10,11;0 1 20,21", null, stored("T", 0, 10), stored("T", 1, 20), stored("T", 0, 11), stored("T", 1, 21));
    add("messages before the first one were filtered out", "0 0 10", "0 0 15,19", null, stored("T", 0, 15), stored("T", 0, 19));
    add("the queue counts otherwise than its messages", "0 0 3", "0 0 5,6", null, stored("T", 0, 105), stored("T", 0, 106));
    add("a broker that tells no offsets", null, null, null, stored("T", 0, 10), stored("T", 1, 20), stored("T", 0, 12));
    add("a broker that tells empty offsets", "", "", null, stored("T", 2, 10), stored(RETRY_V1, 0, 5), stored(RETRY_V1, 0, 6));
    add("a message that was popped before", "0 3 7", "0 3 7", null, stored("T", 3, 7).properties("1ST_POP_TIME\u00011600000000000\u0002"));
  }

  private void retried() throws Exception {
    add("a retry topic of the first kind", "1 0 4", "1 0 4,5", null, times(stored(RETRY_V1, 0, 4), 1), times(stored(RETRY_V1, 0, 5), 2));
    add("a retry topic of the second kind", "2 0 4", "2 0 4", null, times(stored(RETRY_V2, 0, 4), 1));
    String told = ExtraInfoUtil.buildExtraInfo(4, POP_TIME, 60_000, 2, RETRY_V1, BROKER, 0, 5);
    StoredMessage rewritten = times(stored("T", 0, 5), 3).properties("POP_CK\u0001" + told + "\u0002TAGS\u0001TagA\u0002");
    add("a broker that gives the first topic again, and the receipt", "1 0 4;0 0 8", "1 0 5;0 0 8", null, rewritten, stored("T", 0, 8));
  }

  private void inOrder() throws Exception {
    add("in order, popped before as a whole queue", "0 0 8;0 1 8", "0 0 8,9;0 1 8", "0 0 3", stored("T", 0, 8), stored("T", 0, 9), stored("T", 1, 8));
    add("in order, popped before one by one", "0 0 8", "0 0 8,9,10", "0 qo0%8 2;0 qo0%9 0;0 0 1", stored("T", 0, 8), stored("T", 0, 9), stored("T", 0, 10));
    add("in order, never popped before", "0 0 8", "0 0 8", "", times(stored("T", 0, 8), 4));
  }

  private void faulty() throws Exception {
    add("start offsets of too few parts", "0 0", "0 0 8", null, stored("T", 0, 8));
    add("start offsets that are no numbers", "0 0 x", "0 0 8", null, stored("T", 0, 8));
    add("start offsets of one queue twice", "0 0 8;0 0 9", "0 0 8", null, stored("T", 0, 8));
    add("message offsets of too many parts", "0 0 8", "0 0 8 9", null, stored("T", 0, 8));
    add("message offsets that are no numbers", "0 0 8", "0 0 8,", null, stored("T", 0, 8), stored("T", 0, 9));
    add("a message of a queue without a start offset", "0 1 8", "0 1 8", null, stored("T", 0, 8));
  }

  private static StoredMessage stored(String topic, int queueId, long offset) throws Exception {
    StoredMessage stored = new StoredMessage(topic, "body " + offset).offsets(offset, offset * 1_000);
    stored.message.setQueueId(queueId);
    return stored;
  }

  private static StoredMessage times(StoredMessage stored, int reconsumeTimes) {
    stored.message.setReconsumeTimes(reconsumeTimes);
    return stored;
  }

  private void add(String note, String startOffsets, String msgOffsets, String orderCounts, StoredMessage... messages) throws Exception {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    for (StoredMessage message : messages) body.writeBytes(message.encode());
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("popTime", String.valueOf(POP_TIME));
    fields.put("invisibleTime", "60000");
    fields.put("reviveQid", "2");
    fields.put("restNum", "0");
    if (startOffsets != null) fields.put("startOffsetInfo", startOffsets);
    if (msgOffsets != null) fields.put("msgOffsetInfo", msgOffsets);
    if (orderCounts != null) fields.put("orderCountInfo", orderCounts);
    for (String namespace : Arrays.asList("", "ns")) {
      if (!namespace.isEmpty() && orderCounts != null) continue;
      cases.add(Args.map("note", note, "namespace", namespace, "isOrder", orderCounts != null, "fields", fields, "hex", MessageFields.hex(body.toByteArray()), "messages",
          answer(namespace, fields, body.toByteArray(), orderCounts != null)));
    }
  }

  /** Null: Java's client can't read it. */
  private static Object answer(String namespace, Map<String, String> fields, byte[] body, boolean isOrder) throws Exception {
    ClientConfig config = new ClientConfig();
    if (!namespace.isEmpty()) config.setNamespace(namespace);
    MQClientAPIImpl api = new MQClientAPIImpl(new NettyClientConfig(), null, null, config);
    Method read = MQClientAPIImpl.class.getDeclaredMethod("processPopResponse", String.class, RemotingCommand.class, String.class, CommandCustomHeader.class);
    read.setAccessible(true);
    RemotingCommand response = RemotingCommand.createResponseCommand(0, "FOUND");
    fields.forEach(response::addExtField);
    response.setBody(body);
    PopMessageRequestHeader request = new PopMessageRequestHeader();
    request.setOrder(isOrder);
    String topic = namespace.isEmpty() ? "T" : namespace + "%T";
    try {
      List<Object> messages = new ArrayList<>();
      for (MessageExt message : ((PopResult) read.invoke(api, BROKER, response, topic, request)).getMsgFoundList()) {
        messages.add(Args.map("topic", message.getTopic(), "queueId", message.getQueueId(), "queueOffset", message.getQueueOffset(), "brokerName", message.getBrokerName(),
            "reconsumeTimes", message.getReconsumeTimes(), "popCk", message.getProperty(MessageConst.PROPERTY_POP_CK), "firstPopTime", message.getProperty("1ST_POP_TIME")));
      }
      return messages;
    } catch (InvocationTargetException e) {
      return null;
    } finally {
      api.shutdown();
    }
  }
}
