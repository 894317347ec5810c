import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Golden bytes: what this version's own classes encode and decode. The folder golden holds the kinds that need the classes of 5.3 or newer. */
final class Vectors {
  interface Kind {
    List<Object> cases() throws Exception;
  }

  /** A kind and the sentence that says how its cases came about. */
  static final class Maker {
    final String note;
    final Kind kind;

    Maker(String note, Kind kind) {
      this.note = note;
      this.kind = kind;
    }
  }

  private static final Map<String, Maker> KINDS = new LinkedHashMap<>();

  private Vectors() {}

  static Object vectors(Args args) throws Exception {
    Map<String, Maker> kinds = kinds();
    Maker maker = kinds.get(args.text("kind"));
    if (maker == null) throw new IllegalArgumentException("no vectors of kind " + args.text("kind") + " in this version, only " + kinds.keySet());
    return Args.map("note", maker.note, "cases", maker.kind.cases());
  }

  private static synchronized Map<String, Maker> kinds() throws ReflectiveOperationException {
    if (!KINDS.isEmpty()) return KINDS;
    KINDS.put("hash", new Maker("String.hashCode, and the queue that SelectMessageQueueByHash picks among 1, 2, ... 16 queues.", VectorNames::hashes));
    KINDS.put("validators", new Maker("Validators.checkTopic, checkGroup, isSystemTopic and isNotAllowedSendTopic: null is accepted.", VectorNames::names));
    KINDS.put("properties", new Maker("MessageDecoder.messageProperties2String (kind encode) and string2messageProperties (kind decode).", VectorIds::properties));
    KINDS.put("ids", new Maker("MessageClientIDSetter.getIPStrFromID, getPidFromID (kind unique), getNearlyTimeFromID (kind time, which differs each time), MessageDecoder.decodeMessageId (kind offset).", VectorIds::ids));
    if (Vectors.class.getResource("GoldenVectors.class") != null) Class.forName("GoldenVectors").getDeclaredMethod("addTo", Map.class).invoke(null, KINDS);
    return KINDS;
  }
}
