import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;

/**
 * Measures the Java client: one job a line on standard input, its outcome a line on standard output.
 *
 * It stays alive between jobs, because a JVM needs its warm-up.
 */
public class BenchPeer {
    private static final List<String> CONSUMERS = Arrays.asList("pull", "push", "ordered");

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            try {
                Window.resetPeakRss();
                Outcome outcome = run(RemotingSerializable.fromJson(line, Job.class));
                outcome.peakRss = Window.peakRss();
                answers.println("outcome " + RemotingSerializable.toJson(outcome, false));
            } catch (Throwable error) {
                StringWriter trace = new StringWriter();
                error.printStackTrace(new PrintWriter(trace));
                answers.println("failure " + trace.toString().replace('\n', ' '));
            }
            answers.flush();
        }
        System.exit(0);
    }

    private static Outcome run(Job job) throws Exception {
        if (CONSUMERS.contains(job.kind)) return new Consumes(job).run();
        if (job.kind.equals("end-to-end")) return new EndToEnd(job).run();
        return new Sends(job).run();
    }
}
