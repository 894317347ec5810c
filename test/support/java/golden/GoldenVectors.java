import java.util.Map;

/** The kinds of golden bytes that need the classes of 5.3 or newer. */
final class GoldenVectors {
  private GoldenVectors() {}

  static void addTo(Map<String, Vectors.Maker> kinds) {
    kinds.put("frames", new Vectors.Maker(
        "hex: RemotingCommand.encode. input: what was set. decoded: what RemotingCommand.decode makes of the frame.", VectorFrames::frames));
    kinds.put("requests", new Vectors.Maker(
        "hex: NettyEncoder.encode of RemotingCommand.createRequestCommand(code, header) with the header class named beside it. "
            + "extFields: what RemotingCommand.decode makes of the frame.", VectorRequests::requests));
    kinds.put("messages", new Vectors.Maker(
        "hex: the broker's MessageExtEncoder, with the offsets, and the CRC property where there is one, filled in as CommitLog's append does. "
            + "decoded: MessageDecoder.decodes, as the client reads a pull body; an inner batch is unwrapped by MessageDecoder.decodeMessage. "
            + "storedSysFlag: before the client cleared the bit for a compressed body.", VectorMessages::messages));
    kinds.put("batch", new Vectors.Maker(
        "hex: MessageBatch.encode of the messages, which is the body of SEND_BATCH_MESSAGE. decoded: MessageDecoder.decodeMessages. "
            + "Where storedHex stands, that body was stored as one inner batch, and unwrapped is what the client makes of it.", VectorBatches::batches));
    kinds.put("compression", new Vectors.Maker(
        "CompressorFactory's compressors at level 5, the producer's default. input is text, or what to make it of: "
            + "seed, index and size of bodyOf (deterministic-body.ts), or a pattern repeated up to size.", VectorCompression::compressed));
    kinds.put("fastjson", new Vectors.Maker(
        "text: RemotingSerializable.toJson and encode, as NameServers and brokers print. standard: the same as JSON, in which a map with objects "
            + "for keys is a list of [key, value], a key that is a number is a string, and so is an integer beyond 2^53.", VectorFastjson::texts));
  }
}
