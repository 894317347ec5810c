import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What the official admin client asks of consumers, by way of their brokers, and what it sets for groups. */
final class ConsumerAdminVerbs {
  private static final String REQUEST_MODE = "org.apache.rocketmq.common.message.MessageRequestMode";
  private static final String[] GROUP_CONFIGS = {
    "org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig", "org.apache.rocketmq.common.subscription.SubscriptionGroupConfig",
  };

  private ConsumerAdminVerbs() {}

  /** What the member `clientId` of `group` says of itself. */
  static Object runningInfo(Args args) throws Exception {
    return Beans.read(Clients.admin(args).getConsumerRunningInfo(args.text("group"), args.text("clientId"), args.flag("jstack", false)));
  }

  /** Has the member `clientId` of `group` consume a stored message, beside the offsets. */
  static Object consumeDirectly(Args args) throws Exception {
    return Beans.read(Clients.admin(args).consumeMessageDirectly(args.text("group"), args.text("clientId"), args.text("topic"), args.text("msgId")));
  }

  /** The offsets that members of `group`, or one `clientId`, would commit now: by client id, then by queue. */
  static Object status(Args args) throws Exception {
    var table = Clients.admin(args).getConsumeStatus(args.text("topic"), args.text("group"), args.text("clientId", ""));
    List<Object> members = new ArrayList<>();
    for (var member : table.entrySet()) {
      List<Object> queues = new ArrayList<>();
      for (var entry : member.getValue().entrySet()) {
        Map<String, Object> queue = Beans.queue(entry.getKey());
        queue.put("offset", entry.getValue());
        queues.add(queue);
      }
      members.add(Args.map("clientId", member.getKey(), "queues", queues));
    }
    return Args.map("members", members);
  }

  /** Sets the stored offsets of `group`, which no member learns of. */
  static Object resetOffsetOld(Args args) throws Exception {
    return Args.map("queues", Beans.read(Clients.admin(args)
        .resetOffsetByTimestampOld(args.text("group"), args.text("topic"), args.number("timestamp"), args.flag("force", true))));
  }

  /** Has the brokers tell members of `group` to pull or to pop `topic`. */
  static Object setMessageRequestMode(Args args) throws Exception {
    DefaultMQAdminExt admin = Clients.admin(args);
    Class<?> type = Class.forName(REQUEST_MODE);
    Object mode = type.getMethod("valueOf", String.class).invoke(null, args.text("mode"));
    Class<?>[] types = {String.class, String.class, String.class, type, int.class, long.class};
    Set<String> masters = AdminVerbs.masters(admin, args);
    for (String master : masters) {
      Beans.call(admin, "setMessageRequestMode", types, master, args.text("topic"), args.text("group"), mode, (int) args.number("popShareQueueNum", 0), 5_000L);
    }
    return Args.map("brokerAddrs", masters);
  }

  /** Creates `group` or changes it, with the properties of `config`. */
  static Object updateSubscriptionGroup(Args args) throws Exception {
    DefaultMQAdminExt admin = Clients.admin(args);
    Class<?> type = groupConfig();
    Object config = type.getDeclaredConstructor().newInstance();
    Beans.set(config, "groupName", args.text("group"));
    Beans.setAll(config, args.object("config"));
    Set<String> masters = AdminVerbs.masters(admin, args);
    for (String master : masters) Beans.call(admin, "createAndUpdateSubscriptionGroupConfig", new Class<?>[] {String.class, type}, master, config);
    return Args.map("brokerAddrs", masters);
  }

  private static Class<?> groupConfig() throws ClassNotFoundException {
    try {
      return Class.forName(GROUP_CONFIGS[0]);
    } catch (ClassNotFoundException e) {
      return Class.forName(GROUP_CONFIGS[1]);
    }
  }
}
