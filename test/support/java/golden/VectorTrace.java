import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.rocketmq.client.AccessChannel;
import org.apache.rocketmq.client.consumer.listener.ConsumeReturnType;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.trace.TraceBean;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.client.trace.TraceTransferBean;
import org.apache.rocketmq.client.trace.TraceType;
import org.apache.rocketmq.common.message.MessageType;

/** The text of trace records, made of records as this client has them. */
final class VectorTrace {
  private static final String GROUP = "trace-group";
  private static final String REGION = "DefaultRegion";
  private static final String MSG_ID = "7F0000010BB8070DEA4E23A1B2C30000";
  private static final String OFFSET_MSG_ID = "7F00000100002A9F0000000000000000";
  private static final String STORE_HOST = "127.0.0.1:10911";
  private static final String REQUEST_ID = "7F0000010BB8070DEA4E23A1B2C3FFFF";
  private static final long TIME = 1_700_000_000_123L;

  private VectorTrace() {}

  static List<Object> records() {
    List<Object> cases = new ArrayList<>();
    for (MessageType type : MessageType.values()) {
      // Newer types have no ordinal that older readers know.
      if (type.ordinal() <= MessageType.Order_Msg.ordinal()) cases.add(pub("Pub " + type, "TagA", "k1 k2", type.name(), true));
    }
    cases.add(pub("Pub of a message without tags and keys", Args.ABSENT, Args.ABSENT, "Normal_Msg", true));
    cases.add(pub("Pub that was stored, but not flushed", "TagA", "k1", "Normal_Msg", false));
    cases.add(pub("Pub with unicode", "Tag\u00c4", "\u8ba2\u5355-1 \u8ba2\u5355-2 \ud83d\ude00", "Normal_Msg", true));
    cases.add(pub("Pub with spaces and repeats in its keys", "TagA", " k1  k2 k1 " + MSG_ID + " ", "Normal_Msg", true));
    cases.add(subBefore("SubBefore", message(MSG_ID, 0, "k1 k2")));
    cases.add(subBefore("SubBefore of several messages", message(MSG_ID, 0, "k1"), message(OFFSET_MSG_ID, 3, Args.ABSENT), message(REQUEST_ID, 16, "k1 \u8ba2\u5355")));
    for (ConsumeReturnType type : ConsumeReturnType.values()) {
      cases.add(subAfter("SubAfter " + type, type.name(), type == ConsumeReturnType.SUCCESS, message(MSG_ID, 0, "k1 k2")));
    }
    cases.add(subAfter("SubAfter of several messages", "SUCCESS", true, message(MSG_ID, 0, "k1"), message(OFFSET_MSG_ID, 3, Args.ABSENT)));
    cases.add(endTransaction("EndTransaction COMMIT", "COMMIT", "TagA", "k1 k2", MSG_ID, false));
    cases.add(endTransaction("EndTransaction ROLLBACK", "ROLLBACK", "TagA", "k1 k2", MSG_ID, true));
    cases.add(endTransaction("EndTransaction UNKNOWN", "UNKNOWN", Args.ABSENT, Args.ABSENT, Args.ABSENT, true));
    cases.add(recall("Recall", true));
    cases.add(recall("Recall that was refused", false));
    return cases;
  }

  private static Object pub(String name, Object tags, Object keys, String msgType, boolean success) {
    return encoded(name, Args.map("traceType", "Pub", "startedAt", TIME, "regionId", REGION, "topic", "TopicTest", "msgId", MSG_ID, "offsetMsgId", OFFSET_MSG_ID, "tags", tags, "keys", keys,
        "storeHost", STORE_HOST, "bodyLength", 1024, "cost", 7, "msgType", msgType, "success", success));
  }

  private static Object subBefore(String name, Object... messages) {
    return encoded(name, Args.map("traceType", "SubBefore", "timestamp", TIME, "regionId", REGION, "topic", "TopicTest", "requestId", REQUEST_ID, "messages", Arrays.asList(messages)));
  }

  private static Object subAfter(String name, String returnType, boolean success, Object... messages) {
    return encoded(name, Args.map("traceType", "SubAfter", "timestamp", TIME, "regionId", REGION, "topic", "TopicTest", "requestId", REQUEST_ID, "cost", 12, "success", success,
        "returnType", returnType, "messages", Arrays.asList(messages)));
  }

  private static Object endTransaction(String name, String state, Object tags, Object keys, Object transactionId, boolean fromCheck) {
    return encoded(name, Args.map("traceType", "EndTransaction", "timestamp", TIME, "regionId", REGION, "topic", "TopicTest", "msgId", MSG_ID, "tags", tags, "keys", keys,
        "storeHost", STORE_HOST, "transactionId", transactionId, "transactionState", state, "fromTransactionCheck", fromCheck));
  }

  private static Object recall(String name, boolean success) {
    return encoded(name, Args.map("traceType", "Recall", "timestamp", TIME, "regionId", REGION, "topic", "TopicTest", "msgId", MSG_ID, "success", success));
  }

  private static Object message(String msgId, int retryTimes, Object keys) {
    return Args.map("msgId", msgId, "retryTimes", retryTimes, "keys", keys);
  }

  private static Object encoded(String name, Map<String, Object> record) {
    TraceTransferBean result = TraceDataEncoder.encoderFromContextBean(context(new Args(record)));
    TreeSet<String> keys = new TreeSet<>(result.getTransKey());
    // Nothing can be found by the empty key that two spaces make.
    keys.remove("");
    return Args.map("name", name, "groupName", GROUP, "record", record, "text", result.getTransData(), "keys", new ArrayList<>(keys));
  }

  private static TraceContext context(Args record) {
    TraceContext context = new TraceContext();
    context.setTraceType(TraceType.valueOf(record.text("traceType")));
    context.setTimeStamp(record.number("startedAt", record.number("timestamp", 0)));
    context.setRegionId(record.text("regionId"));
    context.setGroupName(GROUP);
    context.setCostTime((int) record.number("cost", 0));
    context.setSuccess(record.flag("success", true));
    context.setAccessChannel(AccessChannel.LOCAL);
    context.setRequestId(record.text("requestId", ""));
    if (record.has("returnType")) context.setContextCode(ConsumeReturnType.valueOf(record.text("returnType")).ordinal());
    List<TraceBean> beans = new ArrayList<>();
    for (Object message : record.has("messages") ? (List<?>) record.get("messages") : Collections.singletonList(null)) beans.add(bean(message == null ? record : Args.of(message)));
    context.setTraceBeans(beans);
    return context;
  }

  /** What the hooks leave unset stays as TraceBean has it, except for tags and keys, which they always set. */
  private static TraceBean bean(Args record) {
    TraceBean bean = new TraceBean();
    bean.setTopic(record.text("topic", ""));
    bean.setMsgId(record.text("msgId"));
    bean.setOffsetMsgId(record.text("offsetMsgId", ""));
    bean.setTags(record.text("tags", null));
    bean.setKeys(record.text("keys", null));
    bean.setStoreHost(record.text("storeHost", ""));
    bean.setBodyLength((int) record.number("bodyLength", 0));
    bean.setRetryTimes((int) record.number("retryTimes", 0));
    bean.setMsgType(MessageType.valueOf(record.text("msgType", "Trans_msg_Commit")));
    bean.setTransactionId(record.text("transactionId", null));
    bean.setTransactionState(state(record.text("transactionState", "UNKNOWN")));
    bean.setFromTransactionCheck(record.flag("fromTransactionCheck", false));
    return bean;
  }

  private static LocalTransactionState state(String state) {
    return LocalTransactionState.valueOf(state.equals("UNKNOWN") ? "UNKNOW" : state + "_MESSAGE");
  }
}
