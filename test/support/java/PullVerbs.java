import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Reads topics with the official pull consumer. */
@SuppressWarnings("deprecation")
final class PullVerbs {
  private static final int BATCH = 32;

  private PullVerbs() {}

  /** Reads every queue of `topic` from its first to its last offset and writes one line for each message to `file`, queues in order. */
  static Object pullAll(Args args) throws Exception {
    DefaultMQPullConsumer consumer = Clients.pullConsumer(args);
    long count = 0;
    try (BufferedWriter file = Files.newBufferedWriter(Paths.get(args.text("file")), StandardCharsets.UTF_8)) {
      for (MessageQueue queue : new TreeSet<>(consumer.fetchSubscribeMessageQueues(args.text("topic")))) {
        count += pullQueue(consumer, queue, file);
      }
    } finally {
      consumer.shutdown();
    }
    return Args.map("count", count);
  }

  private static long pullQueue(DefaultMQPullConsumer consumer, MessageQueue queue, BufferedWriter file) throws Exception {
    long offset = consumer.minOffset(queue);
    long end = consumer.maxOffset(queue);
    long count = 0;
    while (offset < end) {
      PullResult result = consumer.pull(queue, "*", offset, BATCH);
      if (result.getMsgFoundList() != null) {
        for (MessageExt message : result.getMsgFoundList()) {
          file.write(Json.write(MessageFields.withBodyHash(message)));
          file.write('\n');
          count++;
        }
      }
      if (result.getNextBeginOffset() <= offset) {
        throw new IllegalStateException(queue + " is stuck at offset " + offset + " of " + end + ": " + result);
      }
      offset = result.getNextBeginOffset();
    }
    return count;
  }
}
