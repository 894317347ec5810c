import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.body.LockBatchRequestBody;
import org.apache.rocketmq.remoting.protocol.body.LockBatchResponseBody;
import org.apache.rocketmq.remoting.protocol.body.UnlockBatchRequestBody;

/** Bodies of requests for the locks of queues, and of the answers. */
final class VectorLocks {
  private VectorLocks() {}

  static List<Object> bodies() {
    List<Object> cases = new ArrayList<>();
    cases.add(one("group"));
    cases.add(one("group", new MessageQueue("T", "broker-a", 0)));
    cases.add(one("ns%group", new MessageQueue("%RETRY%ns%group", "broker-a", 0), new MessageQueue("ns%T", "broker-a", 3), new MessageQueue("ns%T", "broker-a", 11)));
    cases.add(one("group", new MessageQueue("T\"\\/", "\u8ba2\u5355", 2_147_483_647)));
    return cases;
  }

  private static Object one(String group, MessageQueue... queues) {
    Set<MessageQueue> set = new LinkedHashSet<>();
    List<Object> input = new ArrayList<>();
    for (MessageQueue queue : queues) {
      set.add(queue);
      input.add(Args.map("topic", queue.getTopic(), "brokerName", queue.getBrokerName(), "queueId", queue.getQueueId()));
    }
    LockBatchRequestBody lock = new LockBatchRequestBody();
    lock.setConsumerGroup(group);
    lock.setClientId("192.0.2.1@1#2");
    lock.setMqSet(set);
    UnlockBatchRequestBody unlock = new UnlockBatchRequestBody();
    unlock.setConsumerGroup(group);
    unlock.setClientId("192.0.2.1@1#2");
    unlock.setMqSet(set);
    LockBatchResponseBody answer = new LockBatchResponseBody();
    answer.setLockOKMQSet(set);
    return Args.map("consumerGroup", group, "clientId", "192.0.2.1@1#2", "queues", input, "lock", lock.toJson(), "unlock", unlock.toJson(), "answer", answer.toJson());
  }
}
