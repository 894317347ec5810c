/** What the program is to do: the same names as in bench/clients/job.ts. */
public class Job {
    public String kind;
    public String namesrvAddr;
    public String topic;
    public int queues;
    public String group;
    public int bodySize;
    public int inFlight;
    public int batch;
    public int rate;
    public int warmUpRate;
    public int warmUp;
    public int messages;
    public int maxWarmUp;
    public int maxWindow;

    byte[] body() {
        byte[] body = new byte[bodySize];
        for (int i = 0; i < bodySize; i++) body[i] = (byte) (32 + (i * 31 + (i >> 5) * 17) % 95);
        return body;
    }
}
