import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.impl.producer.TopicPublishInfo;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.route.TopicRouteData;
import org.apache.rocketmq.remoting.protocol.statictopic.TopicQueueMappingInfo;
import org.apache.rocketmq.remoting.rpc.ClientMetadata;

/** Routes of static topics, with the queues and brokers that Java's clients read from them. */
final class VectorStaticTopics {
  private static final String GLOBAL = "__global__";

  private VectorStaticTopics() {}

  static List<Object> routes() {
    List<Object> cases = new ArrayList<>();
    cases.add(one("one broker", info(GLOBAL, "broker-a", 4, 1, 0, 1, 2, 3)));
    cases.add(one("two brokers", info(GLOBAL, "broker-a", 8, 1, 0, 1, 2, 3), info(GLOBAL, "broker-b", 8, 1, 4, 5, 6, 7)));
    cases.add(one("queues that moved", info(GLOBAL, "broker-a", 4, 1, 0, 1, 2, 3), info(GLOBAL, "broker-b", 4, 2, 2, 3)));
    cases.add(one("a topic that grew", info(GLOBAL, "broker-a", 4, 1, 0, 1, 2, 3), info(GLOBAL, "broker-b", 12, 2, 2, 11)));
    cases.add(one("queues of no broker", info(GLOBAL, "broker-a", 6, 1, 0, 5)));
    cases.add(one("queues beyond the total", info(GLOBAL, "broker-a", 2, 1, 0, 1, 2, 9)));
    cases.add(one("another scope", info("cluster-1", "broker-a", 2, 1, 0, 1), info(GLOBAL, "broker-b", 3, 7, 0, 1, 2)));
    cases.add(one("an epoch of today", info(GLOBAL, "broker-a", 2, 1_754_000_000_001L, 0, 1), info(GLOBAL, "broker-b", 2, 1_754_000_000_000L, 0, 1)));
    return cases;
  }

  private static Object one(String name, TopicQueueMappingInfo... infos) {
    TopicRouteData route = new TopicRouteData();
    route.setQueueDatas(new ArrayList<>());
    route.setBrokerDatas(new ArrayList<>());
    Map<String, TopicQueueMappingInfo> mappings = new HashMap<>();
    for (TopicQueueMappingInfo info : infos) mappings.put(info.getBname(), info);
    route.setTopicQueueMappingByBroker(mappings);
    Map<String, Object> endpoints = new TreeMap<>();
    ClientMetadata.topicRouteData2EndpointsForStaticTopic("T", route).forEach((queue, broker) -> endpoints.put(text(queue), broker));
    List<Object> subscribed = new ArrayList<>();
    MQClientInstance.topicRouteData2TopicSubscribeInfo("T", route).stream().sorted().forEach(queue -> subscribed.add(text(queue)));
    TopicPublishInfo published = MQClientInstance.topicRouteData2TopicPublishInfo("T", route);
    List<Object> publishIds = new ArrayList<>();
    for (MessageQueue queue : published.getMessageQueueList()) publishIds.add(queue.getQueueId());
    return Args.map("name", name, "route", route.toJson(), "endpoints", endpoints, "subscribed", subscribed, "publishIds", publishIds);
  }

  private static String text(MessageQueue queue) {
    return queue.getBrokerName() + ":" + queue.getQueueId();
  }

  private static TopicQueueMappingInfo info(String scope, String broker, int total, long epoch, int... logicIds) {
    TopicQueueMappingInfo info = new TopicQueueMappingInfo("T", total, broker, epoch);
    info.setScope(scope);
    for (int i = 0; i < logicIds.length; i++) info.getCurrIdMap().put(logicIds[i], i);
    return info;
  }
}
