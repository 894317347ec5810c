import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * The official transaction producer, from `startTransactionProducer` to `stopTransactionProducer`.
 *
 * <p>The messages themselves say how it decides: their property `onExecute` is the state that the local transaction gives, `onCheck` the one that a check
 * gives; COMMIT, ROLLBACK or UNKNOWN.
 */
final class TransactionVerbs {
  private static final Map<String, Member> MEMBERS = new ConcurrentHashMap<>();

  private TransactionVerbs() {}

  private static final class Member implements TransactionListener {
    final TransactionMQProducer producer;
    final Queue<String> checked = new ConcurrentLinkedQueue<>();

    Member(TransactionMQProducer producer) {
      this.producer = producer;
    }

    @Override
    public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
      return state(message.getProperty("onExecute"));
    }

    @Override
    public LocalTransactionState checkLocalTransaction(MessageExt message) {
      checked.add(message.getTransactionId());
      return state(message.getProperty("onCheck"));
    }
  }

  /** Its client id is what it is known by from now on. Brokers of `topic` know it at once, and not only when it has sent something. */
  static Object start(Args args) throws Exception {
    TransactionMQProducer producer = Clients.transactionProducer(args);
    Member member = new Member(producer);
    producer.setTransactionListener(member);
    producer.start();
    if (args.has("topic")) {
      MQClientInstance client = producer.getDefaultMQProducerImpl().getMqClientFactory();
      client.updateTopicRouteInfoFromNameServer(args.text("topic"));
      client.sendHeartbeatToAllBrokerWithLock();
    }
    String clientId = producer.buildMQClientId();
    MEMBERS.put(clientId, member);
    return Args.map("clientId", clientId);
  }

  /** Sends the messages one after the other. */
  static Object send(Args args) throws Exception {
    Member member = member(args);
    List<Object> outcomes = new ArrayList<>();
    for (Messages.Spec spec : Messages.read(args)) {
      TransactionSendResult result = member.producer.sendMessageInTransaction(spec.message, null);
      outcomes.add(Args.map(
          "sendStatus", result.getSendStatus(),
          "msgId", result.getMsgId(),
          "localTransactionState", result.getLocalTransactionState()));
    }
    return Args.map("outcomes", outcomes);
  }

  /** The transaction ids that it was asked for, in their order. */
  static Object checks(Args args) {
    return Args.map("transactionIds", new ArrayList<>(member(args).checked));
  }

  static Object stop(Args args) {
    member(args).producer.shutdown();
    MEMBERS.remove(args.text("clientId"));
    return Args.map();
  }

  private static Member member(Args args) {
    Member member = MEMBERS.get(args.text("clientId"));
    if (member == null) throw new IllegalArgumentException("no transaction producer " + args.text("clientId") + ", only " + MEMBERS.keySet());
    return member;
  }

  private static LocalTransactionState state(String name) {
    switch (String.valueOf(name)) {
      case "COMMIT":
        return LocalTransactionState.COMMIT_MESSAGE;
      case "ROLLBACK":
        return LocalTransactionState.ROLLBACK_MESSAGE;
      default:
        return LocalTransactionState.UNKNOW;
    }
  }
}
