import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import org.apache.rocketmq.common.message.MessageClientIDSetter;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageId;

/** Message ids, and the text form of message properties. */
final class VectorIds {
  private static final String[] UNIQUE_IDS = {
    "7F0000010BB8070DEA4E23A1B2C30000", "C0A801640001070DEA4E0000000000FF", "0A0000FFFFFF00000000FFFFFFFFFFFF", "000000000000000000000000000000AB", "FFFFFFFF80008000000080000000ABCD",
    "20010DB800000000000000000000000112342A139A55093F5C1100E7", "FE800000000000000202B3FFFE1E83290BB8070DEA4E23A1B2C30001", "00000000000000000000000000000001FFFF070DEA4E23A1B2C3FFFF",
  };
  private static final String[] ADDRESSES = {
    "127.0.0.1", "0.0.0.0", "10.0.0.255", "255.255.255.255", "0:0:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:1", "fe80:0:0:0:202:b3ff:fe1e:8329", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  };
  private static final long[] OFFSETS = {0, 1, 4_294_967_296L, 9_007_199_254_740_991L, 9_007_199_254_740_993L, Long.MAX_VALUE, -1};
  private static final int[] PORTS = {0, 1, 10911, 65535};

  /** Where the time of a unique id with an IPv4 address begins. */
  private static final int TIME_AT = 20;

  private VectorIds() {}

  static List<Object> ids() throws Exception {
    List<Object> cases = new ArrayList<>();
    for (String id : UNIQUE_IDS) {
      cases.add(Args.map("kind", "unique", "msgId", id, "ip", MessageClientIDSetter.getIPStrFromID(id), "pid", MessageClientIDSetter.getPidFromID(id)));
    }
    int n = 0;
    for (String address : ADDRESSES) {
      for (long offset : OFFSETS) {
        int port = PORTS[n++ % PORTS.length];
        cases.add(offset(MessageDecoder.createMessageId(new InetSocketAddress(InetAddress.getByName(address), port), offset)));
      }
    }
    cases.add(made());
    return cases;
  }

  private static Object offset(String id) throws Exception {
    MessageId decoded = MessageDecoder.decodeMessageId(id);
    InetSocketAddress address = (InetSocketAddress) decoded.getAddress();
    return Args.map("kind", "offset", "msgId", id, "address", address.getAddress().getHostAddress(), "port", address.getPort(), "offset", decoded.getOffset());
  }

  /** The time of an id made now, under the address, pid and loader of a fixed one: at `now` getNearlyTimeFromID reads `time` from it. */
  private static Object made() throws InterruptedException {
    long before = System.currentTimeMillis();
    String created = MessageClientIDSetter.createUniqID();
    String id = UNIQUE_IDS[0].substring(0, TIME_AT) + created.substring(created.length() - (UNIQUE_IDS[0].length() - TIME_AT));
    // Within the millisecond of its making Java takes an id for one of last month.
    while (System.currentTimeMillis() <= before + 1) Thread.sleep(1);
    long time = MessageClientIDSetter.getNearlyTimeFromID(id).getTime();
    return Args.map("kind", "time", "msgId", id, "now", System.currentTimeMillis(), "time", time, "timeZone", TimeZone.getDefault().getID());
  }

  static List<Object> properties() {
    List<Object> cases = new ArrayList<>();
    cases.add(encode("none"));
    cases.add(encode("one", "TAGS", "TagA"));
    cases.add(encode("several", "KEYS", "k1 k2", "TAGS", "TagA", "UNIQ_KEY", "7F0000010BB8070DEA4E23A1B2C30000", "WAIT", "true"));
    cases.add(encode("unicode", "\u540d\u524d", "\u5024\ud83d\ude00", "KEYS", "\u8ba2\u5355-1 \u8ba2\u5355-2", "caf\u00e9", "e\u0301"));
    cases.add(encode("an empty value", "a", "", "b", "1"));
    cases.add(encode("an empty name", "", "v"));
    cases.add(encode("a null value", "a", null, "b", "1"));
    cases.add(encode("control characters", "a", "\t\r\n\u0000\u0003", "b", "\u007f\u2028"));
    cases.add(encode("a separator inside a value", "a", "1\u0002KEYS\u0001evil"));
    cases.add(encode("names of JavaScript", "__proto__", "x", "constructor", "y", "toString", "z"));
    for (String text : new String[] {
      "", "a\u00011\u0002", "a\u00011", "a\u00011\u0002b\u00012", "a\u00011\u0002\u0002b\u00012\u0002", "\u0002a\u00011\u0002", "\u0002\u0002\u0002", "ab\u0002c\u00011\u0002", "a\u0001\u0002b\u00012\u0002",
      "\u00011\u0002b\u00012\u0002", "a\u00011\u0002a\u00012\u0002", "a\u00011\u00012\u0002", "a\u0001\u00011\u0002", "abc\u0002b\u00012\u0002", "abc\u0002", "abc", "a\u0001", "\u0001", "\u0001\u0001\u0001\u0002",
      "a\u0001b\u0001c\u0002d\u0001e", "no separator here\u0002x\u0001y\u0002", "\u540d\u0001\u5024\u0002", "__proto__\u0001x\u0002constructor\u0001y\u0002", "a\u0001 \u0002 \u0001b\u0002",
    }) {
      cases.add(Args.map("kind", "decode", "text", text, "properties", new LinkedHashMap<>(MessageDecoder.string2messageProperties(text))));
    }
    return cases;
  }

  private static Object encode(String name, String... pairs) {
    Map<String, String> properties = new LinkedHashMap<>();
    List<Object> entries = new ArrayList<>();
    for (int i = 0; i < pairs.length; i += 2) {
      properties.put(pairs[i], pairs[i + 1]);
      entries.add(java.util.Arrays.asList(pairs[i], pairs[i + 1]));
    }
    return Args.map("kind", "encode", "name", name, "entries", entries, "text", MessageDecoder.messageProperties2String(properties));
  }
}
