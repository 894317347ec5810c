import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/** Keeps the latencies of a window and tells their percentiles. */
class Latencies {
    private final long[] nanoseconds;
    private final AtomicInteger count = new AtomicInteger();

    Latencies(int capacity) {
        nanoseconds = new long[capacity];
    }

    void record(long value) {
        int index = count.getAndIncrement();
        if (index < nanoseconds.length) nanoseconds[index] = value;
    }

    Outcome.Latency summary() {
        int length = Math.min(count.get(), nanoseconds.length);
        if (length == 0) return null;
        long[] sorted = Arrays.copyOf(nanoseconds, length);
        Arrays.sort(sorted);
        Outcome.Latency latency = new Outcome.Latency();
        latency.p50 = at(sorted, 0.5);
        latency.p99 = at(sorted, 0.99);
        latency.p999 = at(sorted, 0.999);
        return latency;
    }

    private static double at(long[] sorted, double share) {
        return sorted[Math.min(sorted.length - 1, (int) Math.ceil(sorted.length * share) - 1)] / 1000.0;
    }
}
