import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** Measures time and CPU time of this process from its making to its stop, and the peak of its memory. */
class Window {
    private static final OperatingSystemMXBean SYSTEM =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final long startedAt = System.nanoTime();
    private final long cpuAtStart = SYSTEM.getProcessCpuTime();

    void stop(Outcome outcome) {
        outcome.seconds = (System.nanoTime() - startedAt) / 1e9;
        outcome.cpu = (SYSTEM.getProcessCpuTime() - cpuAtStart) / 1000.0;
    }

    /** The peak of what follows is measured anew, where the system can. */
    static void resetPeakRss() {
        try {
            Files.write(Paths.get("/proc/self/clear_refs"), "5".getBytes());
        } catch (IOException | SecurityException error) {
            // Then it is the peak since the start of the process.
        }
    }

    /** In bytes; 0 where the system doesn't tell. */
    static long peakRss() throws IOException {
        Path status = Paths.get("/proc/self/status");
        if (!Files.exists(status)) return 0;
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
        return 0;
    }
}
