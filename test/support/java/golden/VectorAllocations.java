import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.common.message.MessageQueue;

/** What the official strategies give to each member of a group. */
final class VectorAllocations {
  /** Brokers and how many queues a topic has on each. */
  private static final List<Map<String, Integer>> LAYOUTS = Arrays.asList(
      layout("broker-a", 1), layout("broker-a", 4), layout("broker-a", 8), layout("broker-a", 4, "broker-b", 4), layout("broker-a", 16, "broker-b", 16, "broker-c", 3),
      layout("room1@broker-a", 4, "room2@broker-b", 3), layout("room1@broker-a", 5, "room1@broker-b", 8, "room2@broker-c", 4, "room3@broker-d", 1),
      layout("room1@a@b", 2, "room1@", 2, "@broker", 2, "room1@x@", 2, "plain", 2), layout("broker-B", 2, "broker-a", 2, "broker-10", 2, "broker-9", 2),
      layout("__syslo__global__", 10));

  private static final List<String> TOPICS = Arrays.asList("T", "%RETRY%group", "ns%topic_1-a|b");

  private static final List<Integer> MEMBER_COUNTS = Arrays.asList(1, 2, 3, 7, 16);

  private VectorAllocations() {}

  static List<Object> allocations() {
    List<Object> cases = new ArrayList<>();
    for (Map<String, Object> strategy : strategies()) {
      for (Map<String, Integer> layout : LAYOUTS) {
        for (int count : MEMBER_COUNTS) cases.add(one(strategy, layout, TOPICS.get(cases.size() % TOPICS.size()), clientIds(count)));
      }
    }
    return cases;
  }

  private static List<Map<String, Object>> strategies() {
    Map<String, Object> average = Args.map("name", "AVG");
    Map<String, Object> circle = Args.map("name", "AVG_BY_CIRCLE");
    Map<String, Object> hash = Args.map("name", "CONSISTENT_HASH");
    List<Map<String, Object>> strategies = new ArrayList<>(Arrays.asList(average, circle, hash, Args.map("name", "CONSISTENT_HASH", "virtualNodeCnt", 97)));
    strategies.add(Args.map("name", "MACHINE_ROOM", "consumeridcs", Arrays.asList("room1", "room3")));
    for (Map<String, Object> inner : Arrays.asList(average, circle, hash)) {
      strategies.add(Args.map("name", "MACHINE_ROOM_NEARBY", "inner", inner, "brokerRoom", "^(?:room)?(.)", "consumerRoom", "(\\d)@"));
    }
    return strategies;
  }

  /** Each member's queues by their places in the list of all. */
  private static Object one(Map<String, Object> settings, Map<String, Integer> layout, String topic, List<String> clientIds) {
    List<MessageQueue> queues = new ArrayList<>();
    for (Map.Entry<String, Integer> broker : layout.entrySet()) {
      for (int id = 0; id < broker.getValue(); id++) queues.add(new MessageQueue(topic, broker.getKey(), id));
    }
    Collections.sort(queues);
    AllocateMessageQueueStrategy strategy = AllocateVerb.strategy(Args.of(settings));
    List<Object> results = new ArrayList<>();
    for (String clientId : clientIds) results.add(places(strategy.allocate("group", clientId, queues, clientIds), queues));
    return Args.map("strategy", settings, "name", strategy.getName(), "topic", topic, "layout", layout, "clientIds", clientIds, "results", results,
        "resultOfStranger", places(strategy.allocate("group", "10.9.9.9@stranger", queues, clientIds), queues));
  }

  private static List<Object> places(List<MessageQueue> allocated, List<MessageQueue> queues) {
    List<Object> places = new ArrayList<>();
    for (MessageQueue queue : allocated) places.add(queues.indexOf(queue));
    return places;
  }

  private static List<String> clientIds(int count) {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < count; i++) ids.add("10.0.0." + i + "@" + (i * 7919) + "#" + (1_000_003L * i));
    Collections.sort(ids);
    return ids;
  }

  private static Map<String, Integer> layout(Object... brokersAndCounts) {
    Map<String, Integer> layout = new LinkedHashMap<>();
    for (int i = 0; i < brokersAndCounts.length; i += 2) layout.put((String) brokersAndCounts[i], (Integer) brokersAndCounts[i + 1]);
    return layout;
  }
}
