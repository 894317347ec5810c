/** What was measured: the same names as in bench/clients/job.ts. */
public class Outcome {
    public long messages;
    public double seconds;
    public double cpu;
    public long peakRss;
    public long total;
    public Latency latency;
    public String fault;

    /** Percentiles, in microseconds. */
    public static class Latency {
        public double p50;
        public double p99;
        public double p999;
    }
}
