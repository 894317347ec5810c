import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.message.MessageQueue;

/** Reads and sets the properties of the official classes by their names: each version has its own, and some classes are in another package in each. */
final class Beans {
  private static final String OFFICIAL = "org.apache.rocketmq.";

  private Beans() {}

  /** What all getters say, down to plain values; a table by queue becomes a list of queues. */
  static Object read(Object value) throws ReflectiveOperationException {
    if (value == null || value instanceof Boolean || value instanceof String) return value;
    if (value instanceof Float || value instanceof Double) return ((Number) value).doubleValue();
    if (value instanceof Number) return ((Number) value).longValue();
    if (value instanceof Map) {
      Map<String, Object> entries = new TreeMap<>();
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) entries.put(String.valueOf(entry.getKey()), read(entry.getValue()));
      return entries;
    }
    if (value instanceof Iterable) {
      List<Object> items = new ArrayList<>();
      for (Object item : (Iterable<?>) value) items.add(read(item));
      return items;
    }
    boolean isBean = !(value instanceof Enum) && value.getClass().getName().startsWith(OFFICIAL);
    return isBean ? ofGetters(value) : value.toString();
  }

  /** Calls a setter. */
  static void set(Object bean, String name, Object value) throws ReflectiveOperationException {
    String setter = "set" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
    for (Method method : bean.getClass().getMethods()) {
      if (!method.getName().equals(setter) || method.getParameterCount() != 1) continue;
      method.invoke(bean, as(method.getParameterTypes()[0], value));
      return;
    }
    throw new IllegalArgumentException("this version's " + bean.getClass().getSimpleName() + " has no " + setter);
  }

  static void setAll(Object bean, Map<String, Object> values) throws ReflectiveOperationException {
    for (Map.Entry<String, Object> entry : values.entrySet()) set(bean, entry.getKey(), entry.getValue());
  }

  /** Calls a method of which this version may have another form or none at all. */
  static Object call(Object target, String name, Class<?>[] types, Object... arguments) throws Exception {
    Method method;
    try {
      method = target.getClass().getMethod(name, types);
    } catch (NoSuchMethodException e) {
      throw new IllegalArgumentException("this version's " + target.getClass().getSimpleName() + " has no such " + name, e);
    }
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof Exception) throw (Exception) e.getCause();
      throw e;
    }
  }

  static Map<String, Object> queue(MessageQueue queue) {
    return Args.map("topic", queue.getTopic(), "brokerName", queue.getBrokerName(), "queueId", queue.getQueueId());
  }

  static MessageQueue queue(Args queue) {
    return new MessageQueue(queue.text("topic"), queue.text("brokerName"), (int) queue.number("queueId"));
  }

  static List<MessageQueue> queues(List<?> queues) {
    List<MessageQueue> result = new ArrayList<>();
    for (Object queue : queues) result.add(queue(Args.of(queue)));
    return result;
  }

  @SuppressWarnings("unchecked")
  private static Object byQueue(Map<?, ?> map) throws ReflectiveOperationException {
    List<Object> queues = new ArrayList<>();
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      Map<String, Object> fields = queue((MessageQueue) entry.getKey());
      Object value = read(entry.getValue());
      if (value instanceof Map) fields.putAll((Map<String, Object>) value);
      else fields.put("offset", value);
      queues.add(fields);
    }
    return queues;
  }

  private static Map<String, Object> ofGetters(Object bean) throws ReflectiveOperationException {
    Map<String, Object> result = new TreeMap<>();
    for (Method method : bean.getClass().getMethods()) {
      boolean isOfBean = method.getParameterCount() == 0 && !Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() != Object.class;
      if (!isOfBean || !method.getName().matches("(get|is)[A-Z].*")) continue;
      Object value = method.invoke(bean);
      boolean isByQueue = method.getGenericReturnType().getTypeName().matches("[\\w.]+Map<" + MessageQueue.class.getName() + ",.*");
      result.put(propertyName(method.getName()), isByQueue ? byQueue((Map<?, ?>) value) : read(value));
    }
    return result;
  }

  private static String propertyName(String getter) {
    String name = getter.substring(getter.startsWith("is") ? 2 : 3);
    return Character.toLowerCase(name.charAt(0)) + name.substring(1);
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Object as(Class<?> type, Object value) {
    if (type == int.class) return ((Number) value).intValue();
    if (type == long.class) return ((Number) value).longValue();
    if (type.isEnum()) return Enum.valueOf((Class<? extends Enum>) type, (String) value);
    return value;
  }
}
