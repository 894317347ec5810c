import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;

/** Timer messages, priority and recall. Older versions have neither the methods nor the classes, so that all of them are looked up by name. */
final class TimingVerbs {
  private static final String HANDLE = "org.apache.rocketmq.common.producer.RecallMessageHandle";

  private TimingVerbs() {}

  /** Recalls a message with the official producer. */
  static Object recall(Args args) throws Exception {
    DefaultMQProducer producer = Clients.producer(args);
    try {
      Object msgId = call(DefaultMQProducer.class, producer, "recallMessage", args.text("topic"), args.text("recallHandle"));
      return Args.map("msgId", msgId);
    } finally {
      producer.shutdown();
    }
  }

  /** What the official decoder reads from a handle, and the handle that the official encoder makes of it. */
  static Object recallHandle(Args args) throws Exception {
    Object handle = call(Class.forName(HANDLE), null, "decodeHandle", args.text("recallHandle"));
    Class<?> type = Class.forName(HANDLE + "$HandleV1");
    Object topic = call(type, handle, "getTopic");
    Object brokerName = call(type, handle, "getBrokerName");
    Object timestamp = call(type, handle, "getTimestampStr");
    Object messageId = call(type, handle, "getMessageId");
    return Args.map(
        "topic", topic,
        "brokerName", brokerName,
        "timestamp", timestamp,
        "messageId", messageId,
        "encoded", call(type, null, "buildHandle", topic, brokerName, timestamp, messageId));
  }

  /** Of Java's `SendResult`; null where there is none. */
  static Object recallHandleOf(Object sendResult) {
    try {
      return sendResult.getClass().getMethod("getRecallHandle").invoke(sendResult);
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** Calls the official setters of what a specification has. */
  static void time(Message message, Args spec) {
    if (spec.has("delayTimeMs")) set(message, "setDelayTimeMs", long.class, spec.number("delayTimeMs"));
    if (spec.has("deliverTimeMs")) set(message, "setDeliverTimeMs", long.class, spec.number("deliverTimeMs"));
    if (spec.has("priority")) set(message, "setPriority", int.class, (int) spec.number("priority"));
  }

  private static void set(Message message, String setter, Class<?> type, Object value) {
    try {
      Message.class.getMethod(setter, type).invoke(message, value);
    } catch (ReflectiveOperationException e) {
      throw new IllegalArgumentException("this version's Message takes no " + setter, e);
    }
  }

  private static Object call(Class<?> type, Object target, String name, Object... arguments) throws Exception {
    Class<?>[] types = new Class<?>[arguments.length];
    Arrays.fill(types, String.class);
    Method method = type.getMethod(name, types);
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof Exception) throw (Exception) e.getCause();
      throw e;
    }
  }
}
