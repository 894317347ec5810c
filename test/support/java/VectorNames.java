import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.Validators;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** What Java makes of strings: hashes, and names of topics and groups. */
final class VectorNames {
  private static final int MAX_QUEUES = 16;

  private VectorNames() {}

  static List<Object> hashes() {
    List<Object> cases = new ArrayList<>();
    for (String text : hashTexts()) {
      List<Object> indexes = new ArrayList<>();
      for (int count = 1; count <= MAX_QUEUES; count++) indexes.add(select(text, count));
      cases.add(Args.map("text", text, "hashCode", text.hashCode(), "queueIds", indexes));
    }
    return cases;
  }

  static List<Object> names() {
    List<Object> cases = new ArrayList<>();
    for (String name : nameTexts()) {
      cases.add(Args.map("name", name,
          "checkTopic", outcome(() -> Validators.checkTopic(name)),
          "checkGroup", outcome(() -> Validators.checkGroup(name)),
          "isSystemTopic", outcome(() -> Validators.isSystemTopic(name)),
          "isNotAllowedSendTopic", outcome(() -> Validators.isNotAllowedSendTopic(name))));
    }
    return cases;
  }

  private interface Check {
    void run() throws MQClientException;
  }

  private static Object outcome(Check check) {
    try {
      check.run();
      return null;
    } catch (MQClientException e) {
      return e.getErrorMessage() == null ? e.getMessage() : e.getErrorMessage();
    }
  }

  private static int select(String text, int count) {
    List<MessageQueue> queues = new ArrayList<>();
    for (int id = 0; id < count; id++) queues.add(new MessageQueue("topic", "broker-a", id));
    return new SelectMessageQueueByHash().select(queues, new Message("topic", new byte[1]), text).getQueueId();
  }

  private static Set<String> hashTexts() {
    Set<String> texts = new LinkedHashSet<>(Arrays.asList(
        "", " ", "a", "b", "Aa", "BB", "AaAa", "BBBB", "AaBB", "TagA", "TagB", "TagA || TagB", "*", "order-1", "order-42", "hello world",
        // Their hashes are the smallest int, for which Math.abs is negative, and its neighbours.
        "polygenelubricants", "GydZG_", "DESIGNING WORKHOUSES", "polygenelubricantt", "polygenelubricantr",
        "\u0000", "\u0001\u0002", "\u007f", "\u0080", "\u00ff", "\u00e9", "e\u0301", "\u00df", "\u0130", "\ud7ff", "\ue000", "\ufffd", "\uffff",
        "\u8ba2\u5355", "\u8ba2\u5355-42", "\u4f60\u597d\uff0c\u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f", "\uc548\ub155", "\u0417\u0434\u0440\u0430\u0432", "\u0645\u0631\u062d\u0628\u0627",
        "\ud83d\ude00", "\ud83d\ude00\ud83d\ude00", "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67", "\ud800", "\udc00", "\udc00\ud800", "a\ud83d\ude00b"));
    for (int length : new int[] {31, 32, 33, 255, 1000}) texts.add("x".repeat(length));
    for (int i = 0; i < 60; i++) texts.add("key-" + i);
    for (int i = 0; i < 40; i++) texts.add(new String(Messages.body(1, i, 1 + i), StandardCharsets.ISO_8859_1));
    for (int i = 0; i < 40; i++) texts.add(new String(Messages.body(2, i, 2 + 2 * (i % 16)), StandardCharsets.UTF_16LE));
    return texts;
  }

  private static Set<String> nameTexts() {
    Set<String> names = new LinkedHashSet<>(Arrays.asList(
        "", " ", "   ", "\t", "\n", " topic", "topic ", "to pic", "t", "T", "0", "_", "-", "|", "%", "%%", "a-b_c|d%e", "topic", "Topic-1", "TOPIC_1", "__", "--",
        "a.b", "a:b", "a/b", "a\\b", "a,b", "a;b", "a+b", "a=b", "a@b", "a#b", "a$b", "a&b", "a*b", "a(b", "a)b", "a[b", "a]b", "a{b", "a}b", "a~b", "a`b", "a^b",
        "a!b", "a?b", "a<b", "a>b", "a'b", "a\"b", "a\u0000b", "a\u007fb", "caf\u00e9", "\u8ba2\u5355", "\uff21", "\ud83d\ude00", "\u00a0", "\u3000", "\u2028",
        "..", "../etc", "C:", "constructor", "__proto__",
        "%RETRY%group", "%DLQ%group", "%RETRY%", "RETRY%group", "%retry%group", "TBW102", "tbw102", "BenchmarkTest", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC",
        "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "RMQ_SYS_TRACE_TOPIC", "CHECKPOINT_TOPIC", "rmq_sys_",
        "rmq_sys_wheel_timer", "rmq_sys_REVIVE_LOG_DefaultCluster", "RMQ_SYS_x", "DEFAULT_PRODUCER", "DEFAULT_CONSUMER", "CID_RMQ_SYS_TRANS", "TOOLS_CONSUMER"));
    for (int length : new int[] {119, 120, 121, 126, 127, 128, 254, 255, 256}) {
      names.add("x".repeat(length));
    }
    names.add("%RETRY%" + "x".repeat(120));
    names.add("%RETRY%" + "x".repeat(121));
    return names;
  }
}
