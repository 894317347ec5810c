import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.remoting.protocol.filter.FilterAPI;
import org.apache.rocketmq.remoting.protocol.heartbeat.ConsumeType;
import org.apache.rocketmq.remoting.protocol.heartbeat.ConsumerData;
import org.apache.rocketmq.remoting.protocol.heartbeat.HeartbeatData;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.remoting.protocol.heartbeat.ProducerData;
import org.apache.rocketmq.remoting.protocol.heartbeat.SubscriptionData;

/** Subscriptions, and the fingerprints of heartbeats that hold them. */
final class VectorHeartbeats {
  private VectorHeartbeats() {}

  static List<Object> subscriptions() {
    List<Object> cases = new ArrayList<>();
    String[][] expressions = {
        {"", "TAG"}, {"*", "TAG"}, {" * ", "TAG"}, {"TagA", "TAG"}, {"TagA||TagB", "TAG"}, {" TagA || TagB ", "TAG"}, {"TagA || TagA", "TAG"}, {"||TagA", "TAG"},
        {"TagA||", "TAG"}, {"TagA|TagB", "TAG"}, {"Aa || BB", "TAG"}, {"\u8ba2\u5355 || \ud83d\ude00", "TAG"}, {"a > 5", "SQL92"}, {"TAGS = 'x'", "SQL92"}, {"*", "SQL92"}};
    for (String[] expression : expressions) {
      SubscriptionData data;
      try {
        data = FilterAPI.build("T", expression[0], expression[1]);
      } catch (Exception e) {
        throw new IllegalStateException(expression[0], e);
      }
      cases.add(Args.map("expression", expression[0], "type", expression[1], "data", Args.map("topic", data.getTopic(), "subString", data.getSubString(), "tagsSet", data.getTagsSet(),
          "codeSet", data.getCodeSet(), "expressionType", data.getExpressionType())));
    }
    return cases;
  }

  static List<Object> fingerprints() throws Exception {
    List<Object> cases = new ArrayList<>();
    cases.add(fingerprint("group", new String[][] {{"T", "*", "TAG"}}));
    cases.add(fingerprint("group", new String[][] {}));
    cases.add(fingerprint("ns%group", new String[][] {{"T", "TagA || TagB", "TAG"}, {"%RETRY%ns%group", "*", "TAG"}}));
    cases.add(fingerprint("group", new String[][] {{"T", "a > 5 AND b = 'x\"y' OR c <> '/\\'", "SQL92"}, {"U", "TagA", "TAG"}}));
    cases.add(fingerprint("group", new String[][] {{"T", "\u8ba2\u5355 || \ud83d\ude00 || caf\u00e9", "TAG"}}));
    for (int count : new int[] {5, 12, 13, 30, 100}) {
      StringBuilder tags = new StringBuilder();
      String[][] topics = new String[count][];
      for (int i = 0; i < count; i++) {
        tags.append(i == 0 ? "" : " || ").append("tag-").append(i * 31);
        topics[i] = new String[] {"topic-" + i * 17, i % 3 == 0 ? "*" : "TagA || x" + i, "TAG"};
      }
      cases.add(fingerprint("group-" + count, new String[][] {{"T", tags.toString(), "TAG"}}));
      cases.add(fingerprint("group-" + count, topics));
    }
    return cases;
  }

  /** Of a client with one consumer. Its producer is the one that every Java client has. */
  private static Object fingerprint(String group, String[][] subscriptions) throws Exception {
    HeartbeatData heartbeat = new HeartbeatData();
    heartbeat.setClientID("192.0.2.1@1#2");
    ProducerData producer = new ProducerData();
    producer.setGroupName("CLIENT_INNER_PRODUCER");
    heartbeat.getProducerDataSet().add(producer);
    ConsumerData consumer = new ConsumerData();
    consumer.setGroupName(group);
    consumer.setConsumeType(subscriptions.length % 2 == 0 ? ConsumeType.CONSUME_ACTIVELY : ConsumeType.CONSUME_PASSIVELY);
    consumer.setMessageModel(subscriptions.length % 3 == 0 ? MessageModel.BROADCASTING : MessageModel.CLUSTERING);
    consumer.setConsumeFromWhere(Arrays.asList(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)
        .get(subscriptions.length % 3));
    consumer.setUnitMode(subscriptions.length == 5);
    Set<SubscriptionData> data = new LinkedHashSet<>();
    List<Object> input = new ArrayList<>();
    for (String[] subscription : subscriptions) {
      data.add(FilterAPI.build(subscription[0], subscription[1], subscription[2]));
      input.add(Arrays.asList((Object[]) subscription));
    }
    consumer.getSubscriptionDataSet().addAll(data);
    heartbeat.getConsumerDataSet().add(consumer);
    return Args.map("group", group, "consumeType", consumer.getConsumeType().name(), "messageModel", consumer.getMessageModel().name(), "consumeFromWhere",
        consumer.getConsumeFromWhere().name(), "unitMode", consumer.isUnitMode(), "subscriptions", input, "fingerprint", heartbeat.computeHeartbeatFingerprint());
  }
}
