import io.netty.buffer.ByteBuf;
import io.netty.channel.embedded.EmbeddedChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.common.BoundaryType;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.remoting.CommandCustomHeader;
import org.apache.rocketmq.remoting.netty.NettyEncoder;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.SerializeType;
import org.apache.rocketmq.remoting.protocol.header.*;
import org.apache.rocketmq.remoting.protocol.header.namesrv.GetRouteInfoRequestHeader;
import org.apache.rocketmq.remoting.protocol.heartbeat.*;

/** Requests with the header classes that the Java client fills in, encoded as its channel does. */
final class VectorRequests {
  private static final int VERSION = 493;
  private static final String GROUP = "please_rename_unique_group_name";
  private static final String TOPIC = "TopicTest";
  private static final String BROKER = "broker-a";

  private final List<Object> cases = new ArrayList<>();
  private final SessionCredentials credentials;

  private VectorRequests(SessionCredentials credentials) {
    this.credentials = credentials;
  }

  static List<Object> requests() throws Exception {
    return new VectorRequests(null).all();
  }

  static List<Object> signedRequests() throws Exception {
    List<Object> cases = new ArrayList<>(new VectorRequests(new SessionCredentials("golden-user", "golden-secret")).all());
    cases.addAll(new VectorRequests(new SessionCredentials("golden-user", "golden-secret", "token of \u4f60\u597d \"STS\"")).all());
    // A key that is longer than a block of SHA-1, and not ASCII.
    cases.addAll(new VectorRequests(new SessionCredentials("\u7528\u6237", "\u5bc6\u94a5\ud83d\ude00".repeat(20))).all());
    return cases;
  }

  private List<Object> all() throws Exception {
    sends();
    pulls();
    offsets();
    registration();
    return cases;
  }

  private void sends() throws Exception {
    String properties = "KEYS\u0001k1 k2\u0002TAGS\u0001TagA\u0002UNIQ_KEY\u00017F0000010BB8070DEA4E23A1B2C30000\u0002WAIT\u0001true\u0002\u8ba2\u5355\u0001\u503c\ud83d\ude00\u0002";
    byte[] body = "hello RocketMQ \u4f60\u597d".getBytes(StandardCharsets.UTF_8);
    add("SEND_MESSAGE_V2", RequestCode.SEND_MESSAGE_V2, SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(send(properties, false)), body);
    SendMessageRequestHeader retried = send(properties, false);
    retried.setTopic("%RETRY%" + GROUP);
    retried.setReconsumeTimes(3);
    retried.setMaxReconsumeTimes(16);
    retried.setQueueId(-1);
    retried.setSysFlag(1);
    retried.setFlag(-7);
    add("SEND_MESSAGE_V2", RequestCode.SEND_MESSAGE_V2, SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(retried), body);
    add("SEND_MESSAGE", RequestCode.SEND_MESSAGE, send(properties, false), body);
    Message first = VectorBatches.message(0, "first", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30001", "WAIT", "true");
    Message second = VectorBatches.message(1, "second \u4f60\u597d", "TAGS", "TagB", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30002", "WAIT", "true");
    add("SEND_BATCH_MESSAGE", RequestCode.SEND_BATCH_MESSAGE,
        SendMessageRequestHeaderV2.createSendMessageRequestHeaderV2(send("UNIQ_KEY\u00017F0000010BB8070DEA4E23A1B2C30003\u0002WAIT\u0001true\u0002", true)),
        MessageDecoder.encodeMessages(Arrays.asList(first, second)));
    ConsumerSendMsgBackRequestHeader back = new ConsumerSendMsgBackRequestHeader();
    back.setOffset(4_294_967_296L);
    back.setGroup(GROUP);
    back.setDelayLevel(0);
    back.setOriginMsgId("7F0000010BB8070DEA4E23A1B2C30000");
    back.setOriginTopic(TOPIC);
    back.setMaxReconsumeTimes(16);
    back.setBrokerName(BROKER);
    add("CONSUMER_SEND_MSG_BACK", RequestCode.CONSUMER_SEND_MSG_BACK, back, null);
  }

  private static SendMessageRequestHeader send(String properties, boolean batch) {
    SendMessageRequestHeader header = new SendMessageRequestHeader();
    header.setProducerGroup(GROUP);
    header.setTopic(TOPIC);
    header.setDefaultTopic("TBW102");
    header.setDefaultTopicQueueNums(4);
    header.setQueueId(2);
    header.setSysFlag(0);
    header.setBornTimestamp(1_700_000_000_123L);
    header.setFlag(0);
    header.setProperties(properties);
    header.setReconsumeTimes(0);
    header.setUnitMode(false);
    header.setBatch(batch);
    header.setBrokerName(BROKER);
    return header;
  }

  private void pulls() throws Exception {
    PullMessageRequestHeader header = new PullMessageRequestHeader();
    header.setConsumerGroup(GROUP);
    header.setTopic(TOPIC);
    header.setQueueId(1);
    header.setQueueOffset(9_007_199_254_740_991L);
    header.setMaxMsgNums(32);
    header.setSysFlag(7);
    header.setCommitOffset(12L);
    header.setSuspendTimeoutMillis(15_000L);
    header.setSubscription("TagA || TagB");
    header.setSubVersion(1_700_000_000_456L);
    header.setExpressionType("TAG");
    header.setMaxMsgBytes(262_144);
    header.setBrokerName(BROKER);
    add("PULL_MESSAGE", RequestCode.PULL_MESSAGE, header, null);
    header.setSubscription(null);
    header.setSysFlag(2);
    add("PULL_MESSAGE", RequestCode.PULL_MESSAGE, header, null);
    header.setSubscription("a > 5 AND b = '\u503c'");
    header.setExpressionType("SQL92");
    header.setSysFlag(6);
    add("PULL_MESSAGE", RequestCode.PULL_MESSAGE, header, null);
  }

  private void offsets() throws Exception {
    QueryConsumerOffsetRequestHeader query = new QueryConsumerOffsetRequestHeader();
    query.setConsumerGroup(GROUP);
    query.setTopic(TOPIC);
    query.setQueueId(3);
    query.setBrokerName(BROKER);
    add("QUERY_CONSUMER_OFFSET", RequestCode.QUERY_CONSUMER_OFFSET, query, null);
    query.setSetZeroIfNotFound(false);
    add("QUERY_CONSUMER_OFFSET", RequestCode.QUERY_CONSUMER_OFFSET, query, null);
    UpdateConsumerOffsetRequestHeader update = new UpdateConsumerOffsetRequestHeader();
    update.setConsumerGroup(GROUP);
    update.setTopic(TOPIC);
    update.setQueueId(3);
    update.setCommitOffset(4_294_967_297L);
    update.setBrokerName(BROKER);
    add("UPDATE_CONSUMER_OFFSET", RequestCode.UPDATE_CONSUMER_OFFSET, update, null, true);
    GetMaxOffsetRequestHeader max = new GetMaxOffsetRequestHeader();
    max.setTopic(TOPIC);
    max.setQueueId(0);
    max.setBrokerName(BROKER);
    add("GET_MAX_OFFSET", RequestCode.GET_MAX_OFFSET, max, null);
    GetMinOffsetRequestHeader min = new GetMinOffsetRequestHeader();
    min.setTopic(TOPIC);
    min.setQueueId(0);
    min.setBrokerName(BROKER);
    add("GET_MIN_OFFSET", RequestCode.GET_MIN_OFFSET, min, null);
    SearchOffsetRequestHeader search = new SearchOffsetRequestHeader();
    search.setTopic(TOPIC);
    search.setQueueId(5);
    search.setTimestamp(1_700_000_000_789L);
    search.setBoundaryType(BoundaryType.UPPER);
    search.setBrokerName(BROKER);
    add("SEARCH_OFFSET_BY_TIMESTAMP", RequestCode.SEARCH_OFFSET_BY_TIMESTAMP, search, null);
    GetEarliestMsgStoretimeRequestHeader earliest = new GetEarliestMsgStoretimeRequestHeader();
    earliest.setTopic(TOPIC);
    earliest.setQueueId(7);
    earliest.setBrokerName(BROKER);
    add("GET_EARLIEST_MSG_STORETIME", RequestCode.GET_EARLIEST_MSG_STORETIME, earliest, null);
  }

  private void registration() throws Exception {
    add("HEART_BEAT", RequestCode.HEART_BEAT, new HeartbeatRequestHeader(), heartbeat().encode());
    UnregisterClientRequestHeader unregister = new UnregisterClientRequestHeader();
    unregister.setClientID("192.0.2.1@1234#567890");
    unregister.setConsumerGroup(GROUP);
    add("UNREGISTER_CLIENT", RequestCode.UNREGISTER_CLIENT, unregister, null);
    GetRouteInfoRequestHeader route = new GetRouteInfoRequestHeader();
    route.setTopic(TOPIC);
    add("GET_ROUTEINFO_BY_TOPIC", RequestCode.GET_ROUTEINFO_BY_TOPIC, route, null);
    route.setAcceptStandardJsonOnly(true);
    add("GET_ROUTEINFO_BY_TOPIC", RequestCode.GET_ROUTEINFO_BY_TOPIC, route, null);
  }

  private static HeartbeatData heartbeat() throws Exception {
    HeartbeatData heartbeat = new HeartbeatData();
    heartbeat.setClientID("192.0.2.1@1234#567890");
    ProducerData producer = new ProducerData();
    producer.setGroupName("producer-group");
    heartbeat.setProducerDataSet(Collections.singleton(producer));
    ConsumerData consumer = new ConsumerData();
    consumer.setGroupName(GROUP);
    consumer.setConsumeType(ConsumeType.CONSUME_PASSIVELY);
    consumer.setMessageModel(MessageModel.CLUSTERING);
    consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
    SubscriptionData subscription = org.apache.rocketmq.remoting.protocol.filter.FilterAPI.buildSubscriptionData(TOPIC, "TagA || TagB");
    subscription.setSubVersion(1_700_000_000_456L);
    consumer.setSubscriptionDataSet(Collections.singleton(subscription));
    heartbeat.setConsumerDataSet(Collections.singleton(consumer));
    return heartbeat;
  }

  private void add(String command, int code, CommandCustomHeader header, byte[] body) throws Exception {
    add(command, code, header, body, false);
  }

  private void add(String name, int code, CommandCustomHeader header, byte[] body, boolean oneway) throws Exception {
    for (SerializeType type : SerializeType.values()) {
      RemotingCommand command = RemotingCommand.createRequestCommand(code, header);
      command.setVersion(VERSION);
      command.setOpaque(1000 + cases.size());
      command.setSerializeTypeCurrentRPC(type);
      command.setBody(body);
      if (oneway) command.markOnewayRPC();
      if (credentials != null) {
        cases.add(signed(name, command));
        continue;
      }
      byte[] frame = encode(command);
      Map<String, Object> decoded = VectorFrames.decode(frame);
      cases.add(Args.map("command", name, "code", code, "javaHeader", header.getClass().getSimpleName(), "serializeType", type, "version", VERSION, "opaque",
          command.getOpaque(), "flag", command.getFlag(), "language", command.getLanguage(), "extFields", decoded.get("extFields"), "bodyHex", decoded.get("bodyHex"), "hex",
          MessageFields.hex(frame)));
    }
  }

  private Object signed(String name, RemotingCommand command) throws Exception {
    new AclClientRPCHook(credentials).doBeforeRequest("", command);
    Map<String, Object> decoded = VectorFrames.decode(encode(command));
    return Args.map("command", name, "code", command.getCode(), "serializeType", command.getSerializeTypeCurrentRPC(), "accessKey", credentials.getAccessKey(), "secretKey",
        credentials.getSecretKey(), "securityToken", credentials.getSecurityToken(), "extFields", decoded.get("extFields"), "bodyHex", decoded.get("bodyHex"));
  }

  private static byte[] encode(RemotingCommand command) {
    EmbeddedChannel channel = new EmbeddedChannel(new NettyEncoder());
    channel.writeOutbound(command);
    ByteBuf encoded = channel.readOutbound();
    byte[] frame = new byte[encoded.readableBytes()];
    encoded.readBytes(frame);
    encoded.release();
    if (channel.finish()) throw new IllegalStateException("NettyEncoder wrote more than one buffer");
    return frame;
  }
}
