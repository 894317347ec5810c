import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.remoting.protocol.NamespaceUtil;

/** Names of topics and groups with a namespace and without. */
final class VectorNamespaces {
  private static final List<String> NAMESPACES = Arrays.asList("ns", "MQ_INST_1234567890_abc", "a-b_c|d", "1", "NS");

  private static final List<String> NAMES = Arrays.asList(
      "", "topic", "ns", "nstopic", "n", "%", "ns%", "%topic", "ns%%topic", "topic%ns", "ns%topic", "NS%topic", "other%topic", "ns%other%topic", "ns%ns%topic", "1%topic",
      "MQ_INST_1234567890_abc%topic", "a-b_c|d%topic", "a-b_c%topic",
      "%RETRY%", "%RETRY%group", "%RETRY%ns%group", "%RETRY%ns%", "%RETRY%ns", "%RETRY%other%group", "ns%%RETRY%group", "%RETRY%group_topic",
      "%DLQ%", "%DLQ%group", "%DLQ%ns%group", "%DLQ%other%group", "%DLQ%%RETRY%group", "%RETRY%%DLQ%group", "%retry%group", "RETRY%group",
      "TBW102", "ns%TBW102", "%RETRY%TBW102", "tbw102", "BenchmarkTest", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_other",
      "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "rmq_sys_", "rmq_sys_wheel_timer", "%RETRY%rmq_sys_x",
      "CID_RMQ_SYS_TRANS", "CID_RMQ_SYS_", "CID_RMQ_SYS", "%RETRY%CID_RMQ_SYS_TRANS", "TOOLS_CONSUMER", "DefaultCluster_REPLY_TOPIC", "DEFAULT_PRODUCER");

  private VectorNamespaces() {}

  static List<Object> names() {
    List<Object> cases = new ArrayList<>();
    for (String name : NAMES) cases.add(one(null, name));
    for (String namespace : NAMESPACES) {
      for (String name : NAMES) cases.add(one(namespace, name));
    }
    return cases;
  }

  private static Object one(String namespace, String name) {
    return Args.map("namespace", namespace, "name", name, "wrapped", NamespaceUtil.wrapNamespace(namespace, name), "unwrapped", NamespaceUtil.withoutNamespace(name, namespace));
  }
}
