import java.lang.reflect.Array;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.LanguageCode;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;
import org.apache.rocketmq.remoting.protocol.admin.*;
import org.apache.rocketmq.remoting.protocol.body.*;
import org.apache.rocketmq.remoting.protocol.filter.FilterAPI;
import org.apache.rocketmq.remoting.protocol.heartbeat.*;
import org.apache.rocketmq.remoting.protocol.route.*;
import org.apache.rocketmq.remoting.protocol.statictopic.TopicQueueMappingInfo;

/** Bodies that NameServers, brokers and clients print with fastjson, most of which are not JSON. */
final class VectorFastjson {
  private static final long BEYOND = 9_007_199_254_740_993L;

  private final List<Object> cases = new ArrayList<>();

  private VectorFastjson() {}

  static List<Object> texts() throws Exception {
    VectorFastjson vectors = new VectorFastjson();
    vectors.add("TopicRouteData, old style", route());
    vectors.add("TopicRouteData, standard", new String(encodeStandard(route()), "UTF-8"));
    vectors.add("ClusterInfo", clusterInfo());
    vectors.add("TopicStatsTable", topicStats());
    vectors.add("TopicStatsTable without queues", new TopicStatsTable());
    vectors.add("ConsumeStats", consumeStats());
    vectors.add("ConsumerConnection", consumerConnection());
    vectors.add("ConsumerRunningInfo", runningInfo());
    vectors.add("ResetOffsetBody", resetOffset());
    vectors.add("GetConsumerStatusBody", consumerStatus());
    vectors.add("QueryCorrectionOffsetBody", correctionOffset());
    vectors.add("ConsumerOffsetSerializeWrapper", consumerOffsets());
    vectors.add("LockBatchResponseBody", lockResponse());
    vectors.add("TopicList", topicList());
    return vectors.cases;
  }

  private void add(String name, RemotingSerializable value) {
    add(name, value.toJson());
  }

  private void add(String name, String text) {
    cases.add(Args.map("name", name, "text", text, "standard", StandardJson.of(text)));
  }

  /** As ClientRequestProcessor answers who accepts only standard JSON. By reflection: the features are enums of fastjson in 5.3, of fastjson2 in 5.4. */
  private static byte[] encodeStandard(RemotingSerializable value) throws ReflectiveOperationException {
    for (Method method : RemotingSerializable.class.getMethods()) {
      if (!method.getName().equals("encode") || !method.isVarArgs()) continue;
      Class<?> feature = method.getParameterTypes()[0].getComponentType();
      List<Object> wanted = new ArrayList<>();
      for (Object constant : feature.getEnumConstants()) {
        String name = constant.toString();
        boolean ofBoth = name.equals("BrowserCompatible") || name.equals("MapSortField");
        if (ofBoth || name.equals("QuoteFieldNames") || name.equals("SkipTransientField")) wanted.add(constant);
      }
      return (byte[]) method.invoke(value, (Object) wanted.toArray((Object[]) Array.newInstance(feature, 0)));
    }
    throw new NoSuchMethodException("RemotingSerializable.encode with features");
  }

  private static TopicRouteData route() {
    TopicRouteData route = new TopicRouteData();
    route.setOrderTopicConf("broker-a:8;broker-b:4");
    route.setQueueDatas(Arrays.asList(queueData("broker-a", 8, 6), queueData("broker-b", 4, 4)));
    HashMap<Long, String> first = new HashMap<>();
    first.put(0L, "192.0.2.1:10911");
    first.put(1L, "192.0.2.2:10911");
    HashMap<Long, String> second = new HashMap<>();
    second.put(0L, "::1:47911");
    second.put(BEYOND, "192.0.2.3:10911");
    route.setBrokerDatas(Arrays.asList(new BrokerData("DefaultCluster", "broker-a", first), new BrokerData("DefaultCluster", "broker-b", second)));
    route.setFilterServerTable(new HashMap<>());
    TopicQueueMappingInfo mapping = new TopicQueueMappingInfo("\u4e3b\u9898", 8, "broker-a", 3);
    mapping.getCurrIdMap().put(0, 0);
    mapping.getCurrIdMap().put(7, 2);
    route.setTopicQueueMappingByBroker(new HashMap<>());
    route.getTopicQueueMappingByBroker().put("broker-a", mapping);
    return route;
  }

  private static QueueData queueData(String brokerName, int queues, int perm) {
    QueueData data = new QueueData();
    data.setBrokerName(brokerName);
    data.setReadQueueNums(queues);
    data.setWriteQueueNums(queues);
    data.setPerm(perm);
    return data;
  }

  private static ClusterInfo clusterInfo() {
    ClusterInfo info = new ClusterInfo();
    info.setBrokerAddrTable(new HashMap<>());
    info.setClusterAddrTable(new HashMap<>());
    for (BrokerData broker : route().getBrokerDatas()) info.getBrokerAddrTable().put(broker.getBrokerName(), broker);
    info.getClusterAddrTable().put("DefaultCluster", new HashSet<>(Arrays.asList("broker-a", "broker-b")));
    info.getClusterAddrTable().put("\"quoted\" {cluster}: [0,1]", new HashSet<>());
    return info;
  }

  private static TopicStatsTable topicStats() {
    TopicStatsTable table = new TopicStatsTable();
    for (int id = 0; id < 3; id++) {
      TopicOffset offset = new TopicOffset();
      offset.setMinOffset(id);
      offset.setMaxOffset(id == 2 ? Long.MAX_VALUE : BEYOND - 2 + id);
      offset.setLastUpdateTimestamp(1_700_000_000_000L + id);
      table.getOffsetTable().put(new MessageQueue("T\"{opic", "broker-a", id), offset);
    }
    table.setTopicPutTps(0.1);
    return table;
  }

  private static ConsumeStats consumeStats() {
    ConsumeStats stats = new ConsumeStats();
    for (int id = 0; id < 2; id++) {
      OffsetWrapper offset = new OffsetWrapper();
      offset.setBrokerOffset(BEYOND + id);
      offset.setConsumerOffset(id == 0 ? -1 : Long.MIN_VALUE);
      offset.setPullOffset(4_294_967_296L);
      offset.setLastTimestamp(1_700_000_000_123L);
      stats.getOffsetTable().put(new MessageQueue("%RETRY%\u7ec4", "broker-a", id), offset);
    }
    stats.setConsumeTps(12345678.9);
    return stats;
  }

  private static ConsumerConnection consumerConnection() throws Exception {
    ConsumerConnection data = new ConsumerConnection();
    Connection connection = new Connection();
    connection.setClientId("192.0.2.1@1234#567890");
    connection.setClientAddr("192.0.2.1:54321");
    connection.setLanguage(LanguageCode.OTHER);
    connection.setVersion(493);
    data.getConnectionSet().add(connection);
    SubscriptionData subscription = FilterAPI.buildSubscriptionData("TopicTest", "TagA || \u6807\u7b7e");
    subscription.setSubVersion(1_700_000_000_456L);
    data.getSubscriptionTable().put("TopicTest", subscription);
    data.setConsumeType(ConsumeType.CONSUME_PASSIVELY);
    data.setMessageModel(MessageModel.CLUSTERING);
    data.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
    return data;
  }

  private static ConsumerRunningInfo runningInfo() throws Exception {
    ConsumerRunningInfo info = new ConsumerRunningInfo();
    Properties properties = new Properties();
    properties.put(ConsumerRunningInfo.PROP_NAMESERVER_ADDR, "127.0.0.1:9876;");
    properties.put(ConsumerRunningInfo.PROP_CONSUME_ORDERLY, "false");
    info.setProperties(properties);
    info.setSubscriptionSet(new TreeSet<>(consumerConnection().getSubscriptionTable().values()));
    ProcessQueueInfo queue = new ProcessQueueInfo();
    queue.setCommitOffset(BEYOND);
    queue.setCachedMsgMaxOffset(Long.MAX_VALUE);
    queue.setLocked(true);
    queue.setLastPullTimestamp(1_700_000_000_789L);
    info.getMqTable().put(new MessageQueue("TopicTest", "broker-a", 0), queue);
    info.getMqTable().put(new MessageQueue("TopicTest", "broker-a", 1), new ProcessQueueInfo());
    info.getMqPopTable().put(new MessageQueue("TopicTest", "broker-b", 0), new PopProcessQueueInfo());
    ConsumeStatus status = new ConsumeStatus();
    status.setPullRT(1.5);
    status.setConsumeOKTPS(1e-7);
    status.setConsumeFailedTPS(1e21);
    status.setConsumeFailedMsgs(Long.MAX_VALUE);
    info.getStatusTable().put("TopicTest", status);
    info.setJstack("main  TID: 1 STATE: RUNNABLE\n\tat java.lang.Object.wait(\"{0:1}\")\n");
    return info;
  }

  private static ResetOffsetBody resetOffset() {
    ResetOffsetBody body = new ResetOffsetBody();
    body.setOffsetTable(new HashMap<>());
    body.getOffsetTable().put(new MessageQueue("TopicTest", "broker-a", 0), BEYOND);
    body.getOffsetTable().put(new MessageQueue("TopicTest", "broker-a", 1), 0L);
    return body;
  }

  @SuppressWarnings("deprecation")
  private static GetConsumerStatusBody consumerStatus() {
    GetConsumerStatusBody body = new GetConsumerStatusBody();
    body.getMessageQueueTable().put(new MessageQueue("TopicTest", "broker-a", 0), 42L);
    HashMap<MessageQueue, Long> offsets = new HashMap<>();
    offsets.put(new MessageQueue("TopicTest", "broker-a", 0), 41L);
    body.getConsumerTable().put("192.0.2.1@1234#567890", offsets);
    return body;
  }

  private static QueryCorrectionOffsetBody correctionOffset() {
    QueryCorrectionOffsetBody body = new QueryCorrectionOffsetBody();
    body.getCorrectionOffsets().put(0, 7L);
    body.getCorrectionOffsets().put(12, Long.MAX_VALUE);
    return body;
  }

  private static RemotingSerializable consumerOffsets() {
    ConsumerOffsetSerializeWrapper wrapper = new ConsumerOffsetSerializeWrapper();
    java.util.concurrent.ConcurrentHashMap<Integer, Long> offsets = new java.util.concurrent.ConcurrentHashMap<>();
    offsets.put(0, 2L);
    offsets.put(1, BEYOND);
    wrapper.getOffsetTable().put("TopicTest@group", offsets);
    return wrapper;
  }

  private static LockBatchResponseBody lockResponse() {
    LockBatchResponseBody body = new LockBatchResponseBody();
    body.setLockOKMQSet(new TreeSet<>(Arrays.asList(new MessageQueue("TopicTest", "broker-a", 0), new MessageQueue("TopicTest", "broker-a", 3))));
    return body;
  }

  private static TopicList topicList() {
    TopicList list = new TopicList();
    list.setTopicList(new TreeSet<>(Arrays.asList("TopicTest", "%RETRY%group", "\u4e3b\u9898\ud83d\ude00")));
    return list;
  }
}
