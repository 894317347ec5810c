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
    kinds.put("signed-requests", new Vectors.Maker(
        "extFields: what RemotingCommand.decode makes of a request that AclClientRPCHook.doBeforeRequest signed and NettyEncoder encoded.", VectorRequests::signedRequests));
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
    kinds.put("trace", new Vectors.Maker(
        "text and keys: TraceDataEncoder.encoderFromContextBean of a TraceContext filled from the record as the trace hooks fill it. "
            + "The keys are sorted: Java's are a set.", VectorTrace::records));
    kinds.put("allocate", new Vectors.Maker(
        "results: AllocateMessageQueueStrategy.allocate for each client id, as places in the sorted list of all queues. layout: how many queues the topic has on each broker.",
        VectorAllocations::allocations));
    kinds.put("subscriptions", new Vectors.Maker("data: FilterAPI.build.", VectorHeartbeats::subscriptions));
    kinds.put("fingerprints", new Vectors.Maker(
        "fingerprint: HeartbeatData.computeHeartbeatFingerprint of a client with one consumer. subscriptions: topic, expression and its type.", VectorHeartbeats::fingerprints));
    kinds.put("locks", new Vectors.Maker(
        "lock, unlock and answer: toJson of LockBatchRequestBody, UnlockBatchRequestBody and LockBatchResponseBody with these queues.", VectorLocks::bodies));
    kinds.put("static-topics", new Vectors.Maker(
        "endpoints: ClientMetadata.topicRouteData2EndpointsForStaticTopic. subscribed and publishIds: MQClientInstance.topicRouteData2TopicSubscribeInfo and "
            + "topicRouteData2TopicPublishInfo. route: TopicRouteData.toJson.", VectorStaticTopics::routes));
    kinds.put("receipts", new Vectors.Maker("text: ExtraInfoUtil.buildExtraInfo. The rest: what ExtraInfoUtil reads of it; realTopic for topic T and group group.", VectorPop::receipts));
    kinds.put("pop-answers", new Vectors.Maker(
        "messages: MQClientAPIImpl.processPopResponse of an answer with these fields and this body; null where it throws. With a namespace the topic is ns%T.", VectorPop::answers));
    kinds.put("batch-acks", new Vectors.Maker("body: BatchAckMessageRequestBody.toJson, made of the receipts as MQClientAPIImpl.batchAckMessageAsync makes it.", VectorPop::batchAcks));
    kinds.put("namespace", new Vectors.Maker("NamespaceUtil.wrapNamespace and withoutNamespace.", VectorNamespaces::names));
  }
}
