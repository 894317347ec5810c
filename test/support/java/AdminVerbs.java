import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What the official admin client does and sees. `var` stands where 4.x and 5.x keep a class in different packages. */
final class AdminVerbs {
  private AdminVerbs() {}

  /** Creates `topic` on every master of `clusterName`, or on `brokerAddr`, and waits until the NameServer shows it on all of them. */
  static Object createTopic(Args args) throws Exception {
    DefaultMQAdminExt admin = Clients.admin(args);
    int queues = (int) args.number("queues", 8);
    TopicConfig config = new TopicConfig(args.text("topic"), queues, queues, (int) args.number("perm", 6));
    if (args.has("attributes")) setAttributes(config, args.object("attributes"));
    Set<String> masters = masters(admin, args);
    for (String master : masters) admin.createAndUpdateTopicConfig(master, config);
    awaitRoute(admin, args.text("topic"), masters, queues, args.number("routeTimeout", 30_000));
    return Args.map("brokerAddrs", masters);
  }

  static Object deleteTopic(Args args) throws Exception {
    DefaultMQAdminExt admin = Clients.admin(args);
    Set<String> masters = masters(admin, args);
    admin.deleteTopicInBroker(masters, args.text("topic"));
    deleteInNameServers(admin, args.text("topic"));
    return Args.map("brokerAddrs", masters);
  }

  static Object route(Args args) throws Exception {
    var data = Clients.admin(args).examineTopicRouteInfo(args.text("topic"));
    List<Object> queues = new ArrayList<>();
    for (var queue : data.getQueueDatas()) {
      queues.add(Args.map("brokerName", queue.getBrokerName(), "readQueueNums", queue.getReadQueueNums(), "writeQueueNums", queue.getWriteQueueNums(),
          "perm", queue.getPerm(), "topicSysFlag", queue.getTopicSysFlag()));
    }
    List<Object> brokers = new ArrayList<>();
    for (var broker : data.getBrokerDatas()) {
      brokers.add(Args.map("cluster", broker.getCluster(), "brokerName", broker.getBrokerName(), "brokerAddrs", new TreeMap<>(broker.getBrokerAddrs())));
    }
    return Args.map("queueDatas", queues, "brokerDatas", brokers);
  }

  /** The offsets of `group`, of one `topic` or of all that it consumes. */
  static Object consumeOffset(Args args) throws Exception {
    var stats = Clients.admin(args).examineConsumeStats(args.text("group"), args.text("topic", null));
    List<Object> queues = new ArrayList<>();
    for (var entry : new TreeMap<>(stats.getOffsetTable()).entrySet()) {
      queues.add(queue(entry.getKey(), "brokerOffset", entry.getValue().getBrokerOffset(), "consumerOffset", entry.getValue().getConsumerOffset(),
          "lastTimestamp", entry.getValue().getLastTimestamp()));
    }
    return Args.map("queues", queues, "totalDiff", stats.computeTotalDiff(), "consumeTps", stats.getConsumeTps());
  }

  static Object consumerConnection(Args args) throws Exception {
    var data = Clients.admin(args).examineConsumerConnectionInfo(args.text("group"));
    List<Object> connections = new ArrayList<>();
    for (var connection : data.getConnectionSet()) {
      connections.add(Args.map("clientId", connection.getClientId(), "clientAddr", connection.getClientAddr(), "language", connection.getLanguage(),
          "version", connection.getVersion()));
    }
    List<Object> subscriptions = new ArrayList<>();
    for (var subscription : new TreeMap<>(data.getSubscriptionTable()).values()) {
      subscriptions.add(Args.map("topic", subscription.getTopic(), "subString", subscription.getSubString(), "expressionType",
          subscription.getExpressionType(), "tagsSet", new TreeSet<>(subscription.getTagsSet()), "codeSet", new TreeSet<>(subscription.getCodeSet()),
          "subVersion", subscription.getSubVersion()));
    }
    return Args.map("connections", connections, "subscriptions", subscriptions, "consumeType", data.getConsumeType(), "messageModel",
        data.getMessageModel(), "consumeFromWhere", data.getConsumeFromWhere());
  }

  /** Sets the offsets of `group` on `topic` to what was stored at `timestamp`; -1 means the end. */
  static Object resetOffset(Args args) throws Exception {
    Map<MessageQueue, Long> offsets = Clients.admin(args)
        .resetOffsetByTimestamp(args.text("topic"), args.text("group"), args.number("timestamp"), args.flag("force", true));
    List<Object> queues = new ArrayList<>();
    for (Map.Entry<MessageQueue, Long> entry : new TreeMap<>(offsets).entrySet()) queues.add(queue(entry.getKey(), "offset", entry.getValue()));
    return Args.map("queues", queues);
  }

  private static Map<String, Object> queue(MessageQueue queue, Object... more) {
    Map<String, Object> result = Args.map("topic", queue.getTopic(), "brokerName", queue.getBrokerName(), "queueId", queue.getQueueId());
    result.putAll(Args.map(more));
    return result;
  }

  static Set<String> masters(DefaultMQAdminExt admin, Args args) throws Exception {
    if (args.has("brokerAddr")) return Collections.singleton(args.text("brokerAddr"));
    var info = admin.examineBrokerClusterInfo();
    String cluster = args.text("clusterName", "DefaultCluster");
    Set<String> names = info.getClusterAddrTable().get(cluster);
    if (names == null) throw new IllegalArgumentException("no cluster " + cluster + " in " + info.getClusterAddrTable().keySet());
    Set<String> masters = new TreeSet<>();
    for (String name : names) {
      String master = info.getBrokerAddrTable().get(name).getBrokerAddrs().get(MixAll.MASTER_ID);
      if (master != null) masters.add(master);
    }
    return masters;
  }

  /** By reflection: 4.x has this method with three parameters only, in another order than the one of 5.x that looks the same. */
  private static void deleteInNameServers(DefaultMQAdminExt admin, String topic) throws ReflectiveOperationException {
    Set<String> nameServers = new HashSet<>(admin.getNameServerAddressList());
    try {
      DefaultMQAdminExt.class.getMethod("deleteTopicInNameServer", Set.class, String.class).invoke(admin, nameServers, topic);
    } catch (NoSuchMethodException e) {
      DefaultMQAdminExt.class.getMethod("deleteTopicInNameServer", Set.class, String.class, String.class).invoke(admin, nameServers, topic, null);
    }
  }

  private static void awaitRoute(DefaultMQAdminExt admin, String topic, Set<String> masters, int queues, long timeout) throws Exception {
    long deadline = System.nanoTime() + timeout * 1_000_000;
    for (Set<String> missing = masters; !missing.isEmpty(); Thread.sleep(20)) {
      missing = new TreeSet<>(masters);
      try {
        missing.removeAll(shown(admin, topic, queues));
      } catch (Exception e) {
        if (System.nanoTime() > deadline) throw e;
      }
      if (missing.isEmpty()) return;
      if (System.nanoTime() > deadline) throw new IllegalStateException("after " + timeout + " ms the route of " + topic + " lacks " + missing);
    }
  }

  /** The masters on which the NameServer shows the topic with that many queues. */
  private static Set<String> shown(DefaultMQAdminExt admin, String topic, int queues) throws Exception {
    var data = admin.examineTopicRouteInfo(topic);
    Set<String> names = new HashSet<>();
    for (var queue : data.getQueueDatas()) if (queue.getWriteQueueNums() == queues) names.add(queue.getBrokerName());
    Set<String> result = new HashSet<>();
    for (var broker : data.getBrokerDatas()) if (names.contains(broker.getBrokerName())) result.add(broker.getBrokerAddrs().get(MixAll.MASTER_ID));
    return result;
  }

  /** By reflection: topics of 4.x have no attributes. A plus sign is what the broker wants before each name that is set. */
  private static void setAttributes(TopicConfig config, Map<String, Object> attributes) throws ReflectiveOperationException {
    Map<String, String> signed = new HashMap<>();
    for (Map.Entry<String, Object> entry : attributes.entrySet()) signed.put("+" + entry.getKey(), String.valueOf(entry.getValue()));
    TopicConfig.class.getMethod("setAttributes", Map.class).invoke(config, signed);
  }
}
