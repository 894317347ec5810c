import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.store.LocalFileOffsetStore;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.common.message.MessageQueue;

/** The file in which the official client keeps the offsets of a broadcasting group. */
final class LocalOffsetVerbs {
  private LocalOffsetVerbs() {}

  static Object write(Args args) throws Exception {
    LocalFileOffsetStore store = store(args);
    Set<MessageQueue> queues = new HashSet<>();
    for (Object value : args.list("offsets")) {
      Args offset = Args.of(value);
      MessageQueue queue = Beans.queue(offset);
      store.updateOffset(queue, offset.number("offset"), false);
      queues.add(queue);
    }
    store.persistAll(queues);
    return Args.map();
  }

  static Object read(Args args) throws Exception {
    LocalFileOffsetStore store = store(args);
    store.load();
    List<Object> offsets = new ArrayList<>();
    for (MessageQueue queue : new TreeSet<>(store.cloneOffsetTable(null).keySet())) {
      Map<String, Object> offset = Beans.queue(queue);
      offset.put("offset", store.readOffset(queue, ReadOffsetType.READ_FROM_MEMORY));
      offsets.add(offset);
    }
    return Args.map("offsets", offsets);
  }

  /** Its folder is one for the whole JVM, so that the path is put in afterwards. */
  private static LocalFileOffsetStore store(Args args) throws ReflectiveOperationException {
    MQClientInstance neverStarted = new MQClientInstance(new ClientConfig(), 0, "local-offsets");
    LocalFileOffsetStore store = new LocalFileOffsetStore(neverStarted, "group");
    Field path = LocalFileOffsetStore.class.getDeclaredField("storePath");
    path.setAccessible(true);
    path.set(store, args.text("file"));
    return store;
  }
}
