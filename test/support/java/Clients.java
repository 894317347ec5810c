import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Makes the official clients from what every verb takes: namesrvAddr, group, and accessKey, secretKey, tls where wanted. */
final class Clients {
  private static final String COMPRESS_TYPE = "rocketmq.message.compressType";
  private static final long PID = ProcessHandle.current().pid();
  private static final AtomicLong INSTANCES = new AtomicLong();
  private static final Map<String, DefaultMQAdminExt> ADMINS = new ConcurrentHashMap<>();

  private Clients() {}

  static RPCHook hook(Args args) {
    if (!args.has("accessKey")) return null;
    return new AclClientRPCHook(new SessionCredentials(args.text("accessKey"), args.text("secretKey")));
  }

  static DefaultMQProducer producer(Args args) throws Exception {
    DefaultMQProducer producer = newProducer(args);
    configure(producer, args);
    producer.setSendMsgTimeout((int) args.number("timeout", 10_000));
    producer.setCompressMsgBodyOverHowmuch((int) args.number("compressOver", producer.getCompressMsgBodyOverHowmuch()));
    producer.start();
    return producer;
  }

  /** The one way to choose the compression that all clients share is a system property, which is read when the producer is made. */
  private static synchronized DefaultMQProducer newProducer(Args args) throws ClassNotFoundException {
    if (args.has("compressType")) {
      // A version without this class would go on with ZLIB.
      Class.forName("org.apache.rocketmq.common.compression.CompressionType");
      System.setProperty(COMPRESS_TYPE, args.text("compressType"));
    }
    try {
      return new DefaultMQProducer(args.text("group", "oracle-producer"), hook(args));
    } finally {
      System.clearProperty(COMPRESS_TYPE);
    }
  }

  /** Not started yet: it wants a listener first. */
  static TransactionMQProducer transactionProducer(Args args) {
    TransactionMQProducer producer = new TransactionMQProducer(args.text("group"), hook(args));
    configure(producer, args);
    producer.setSendMsgTimeout((int) args.number("timeout", 10_000));
    return producer;
  }

  @SuppressWarnings("deprecation")
  static DefaultMQPullConsumer pullConsumer(Args args) throws Exception {
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(args.text("group", "oracle-pull-consumer"), hook(args));
    configure(consumer, args);
    consumer.start();
    return consumer;
  }

  /** Not started yet: it wants a subscription and a listener first. */
  static DefaultMQPushConsumer pushConsumer(Args args) {
    DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args.text("group"), hook(args), new AllocateMessageQueueAveragely());
    configure(consumer, args);
    return consumer;
  }

  /** Not started yet: it wants a subscription first. */
  static DefaultLitePullConsumer litePullConsumer(Args args) {
    DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(args.text("group"), hook(args));
    configure(consumer, args);
    return consumer;
  }

  /** One admin client for each cluster and user, kept until the JVM ends: starting one costs more than most of its calls. */
  static synchronized DefaultMQAdminExt admin(Args args) throws Exception {
    String key = args.text("namesrvAddr") + "|" + args.text("accessKey", "") + "|" + args.flag("tls", false);
    DefaultMQAdminExt known = ADMINS.get(key);
    if (known != null) return known;
    DefaultMQAdminExt admin = new DefaultMQAdminExt(hook(args), args.number("timeout", 10_000));
    configure(admin, args);
    admin.setAdminExtGroup("oracle-admin-" + INSTANCES.incrementAndGet());
    admin.start();
    ADMINS.put(key, admin);
    return admin;
  }

  /** The instance names of two JVMs differ: clients with one name and one address are one client to a broker. */
  private static void configure(ClientConfig config, Args args) {
    config.setNamesrvAddr(args.text("namesrvAddr"));
    config.setInstanceName("oracle-" + PID + "-" + INSTANCES.incrementAndGet());
    config.setVipChannelEnabled(false);
    if (args.has("namespace") && !(config instanceof DefaultMQAdminExt)) config.setNamespace(args.text("namespace"));
    config.setUseTLS(args.flag("tls", false));
  }
}
