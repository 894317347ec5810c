import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;

/**
 * The official Java client behind a pipe: one JSON line in, one JSON line out, until standard input ends.
 *
 * <pre>
 * {"id":1,"verb":"route","args":{"namesrvAddr":"127.0.0.1:9876","topic":"t"}}
 * {"id":1,"ok":true,"result":{...}}    or    {"id":1,"ok":false,"error":{"class":"MQClientException","code":17,"message":"..."}}
 * </pre>
 *
 * Calls run beside each other and are answered in the order they end.
 */
public final class Oracle {
  interface Verb {
    Object call(Args args) throws Exception;
  }

  private static final Map<String, Verb> VERBS = new LinkedHashMap<>();
  private static PrintStream answers;

  public static void main(String[] arguments) throws Exception {
    answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
    // Whatever a library prints must not end up between two answers.
    System.setOut(System.err);
    registerVerbs();
    answer(Args.map("ready", true, "java", System.getProperty("java.version"), "verbs", VERBS.keySet()));
    ExecutorService workers = Executors.newCachedThreadPool(Oracle::daemon);
    BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = calls.readLine(); line != null; line = calls.readLine()) {
      String call = line;
      workers.execute(() -> serve(call));
    }
    // Nobody listens any more, so there is nothing worth an orderly shutdown.
    Runtime.getRuntime().halt(0);
  }

  private static void registerVerbs() {
    VERBS.put("produce", ProduceVerbs::produce);
    VERBS.put("produceBatch", ProduceVerbs::produceBatch);
    VERBS.put("pullAll", PullVerbs::pullAll);
    VERBS.put("createTopic", AdminVerbs::createTopic);
    VERBS.put("deleteTopic", AdminVerbs::deleteTopic);
    VERBS.put("route", AdminVerbs::route);
    VERBS.put("consumeOffset", AdminVerbs::consumeOffset);
    VERBS.put("consumerConnection", AdminVerbs::consumerConnection);
    VERBS.put("resetOffset", AdminVerbs::resetOffset);
    VERBS.put("mqadmin", MqadminVerb::mqadmin);
    VERBS.put("recall", TimingVerbs::recall);
    VERBS.put("recallHandle", TimingVerbs::recallHandle);
    VERBS.put("headers", HeaderVerbs::headers);
    VERBS.put("readBody", BodyVerb::read);
    VERBS.put("sign", SignVerb::sign);
    VERBS.put("vectors", Vectors::vectors);
    VERBS.put("startTransactionProducer", TransactionVerbs::start);
    VERBS.put("sendInTransaction", TransactionVerbs::send);
    VERBS.put("transactionChecks", TransactionVerbs::checks);
    VERBS.put("stopTransactionProducer", TransactionVerbs::stop);
    VERBS.put("request", RequestVerbs::request);
    VERBS.put("startReplier", RequestVerbs::startReplier);
    VERBS.put("stopReplier", RequestVerbs::stopReplier);
    VERBS.put("startPushConsumer", PushConsumerVerbs::start);
    VERBS.put("consumed", PushConsumerVerbs::consumed);
    VERBS.put("ownedQueues", PushConsumerVerbs::ownedQueues);
    VERBS.put("stopConsumer", PushConsumerVerbs::stop);
    VERBS.put("startLitePull", LitePullVerbs::start);
    VERBS.put("litePoll", LitePullVerbs::poll);
    VERBS.put("liteCommit", LitePullVerbs::commit);
    VERBS.put("liteStop", LitePullVerbs::stop);
    VERBS.put("allocate", AllocateVerb::allocate);
    VERBS.put("consumerRunningInfo", ConsumerAdminVerbs::runningInfo);
    VERBS.put("consumeMessageDirectly", ConsumerAdminVerbs::consumeDirectly);
    VERBS.put("consumeStatus", ConsumerAdminVerbs::status);
    VERBS.put("resetOffsetOld", ConsumerAdminVerbs::resetOffsetOld);
    VERBS.put("setMessageRequestMode", ConsumerAdminVerbs::setMessageRequestMode);
    VERBS.put("updateSubscriptionGroup", ConsumerAdminVerbs::updateSubscriptionGroup);
    VERBS.put("writeLocalOffsets", LocalOffsetVerbs::write);
    VERBS.put("readLocalOffsets", LocalOffsetVerbs::read);
  }

  private static void serve(String line) {
    Object id = null;
    try {
      Args call = Args.of(Json.parse(line));
      id = call.get("id");
      Verb verb = VERBS.get(call.text("verb"));
      if (verb == null) throw new IllegalArgumentException("no verb " + call.text("verb") + ", only " + VERBS.keySet());
      answer(Args.map("id", id, "ok", true, "result", verb.call(new Args(call.object("args")))));
    } catch (Throwable e) {
      e.printStackTrace();
      answer(Args.map("id", id, "ok", false, "error", describe(e)));
    }
  }

  private static void answer(Object value) {
    String line = Json.write(value);
    synchronized (Oracle.class) {
      answers.println(line);
    }
  }

  /** An exception as it goes to the caller: the client's and the broker's own code and message where there are any. */
  static Map<String, Object> describe(Throwable thrown) {
    Throwable e = thrown instanceof InvocationTargetException ? thrown.getCause() : thrown;
    Integer code = null;
    String message = e.getMessage();
    if (e instanceof MQBrokerException) {
      code = ((MQBrokerException) e).getResponseCode();
      message = ((MQBrokerException) e).getErrorMessage();
    } else if (e instanceof MQClientException) {
      code = ((MQClientException) e).getResponseCode();
      message = ((MQClientException) e).getErrorMessage();
      if (message == null) message = e.getMessage();
    }
    Object cause = e.getCause() == null || e.getCause() == e ? Args.ABSENT : describe(e.getCause());
    return Args.map("class", e.getClass().getSimpleName(), "code", code, "message", message, "cause", cause);
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work, "oracle-worker");
    thread.setDaemon(true);
    return thread;
  }
}
