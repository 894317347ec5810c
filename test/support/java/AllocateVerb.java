import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMachineRoomNearby;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByConfig;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.common.message.MessageQueue;

/** The official strategies that divide queues among the members of a group. */
final class AllocateVerb {
  private static final int VIRTUAL_NODES = 10;

  private AllocateVerb() {}

  /** Which of `queues` the member `clientId` of `clientIds` gets; both lists are taken as they come. */
  static Object allocate(Args args) {
    List<String> clientIds = new ArrayList<>();
    for (Object clientId : args.list("clientIds")) clientIds.add((String) clientId);
    AllocateMessageQueueStrategy strategy = strategy(Args.of(args.get("strategy")));
    List<Object> queues = new ArrayList<>();
    for (MessageQueue queue : strategy.allocate(args.text("group", "group"), args.text("clientId"), Beans.queues(args.list("queues")), clientIds)) {
      queues.add(Beans.queue(queue));
    }
    return Args.map("queues", queues);
  }

  static AllocateMessageQueueStrategy strategy(Args args) {
    switch (args.text("name")) {
      case "AVG":
        return new AllocateMessageQueueAveragely();
      case "AVG_BY_CIRCLE":
        return new AllocateMessageQueueAveragelyByCircle();
      case "CONSISTENT_HASH":
        return new AllocateMessageQueueConsistentHash((int) args.number("virtualNodeCnt", VIRTUAL_NODES));
      case "CONFIG":
        AllocateMessageQueueByConfig config = new AllocateMessageQueueByConfig();
        config.setMessageQueueList(Beans.queues(args.list("messageQueueList")));
        return config;
      case "MACHINE_ROOM":
        AllocateMessageQueueByMachineRoom machineRoom = new AllocateMessageQueueByMachineRoom();
        Set<String> rooms = new HashSet<>();
        for (Object room : args.list("consumeridcs")) rooms.add((String) room);
        machineRoom.setConsumeridcs(rooms);
        return machineRoom;
      case "MACHINE_ROOM_NEARBY":
        return new AllocateMachineRoomNearby(strategy(Args.of(args.get("inner"))), new PatternResolver(args));
      default:
        throw new IllegalArgumentException("no strategy " + args.text("name"));
    }
  }

  /** A room is what the first group of a pattern finds in a broker's name or in a client id. */
  private static final class PatternResolver implements AllocateMachineRoomNearby.MachineRoomResolver {
    private final Pattern ofBrokers;
    private final Pattern ofConsumers;

    PatternResolver(Args args) {
      ofBrokers = Pattern.compile(args.text("brokerRoom"));
      ofConsumers = Pattern.compile(args.text("consumerRoom"));
    }

    @Override
    public String brokerDeployIn(MessageQueue queue) {
      return room(ofBrokers, queue.getBrokerName());
    }

    @Override
    public String consumerDeployIn(String clientId) {
      return room(ofConsumers, clientId);
    }

    private static String room(Pattern pattern, String text) {
      Matcher matcher = pattern.matcher(text);
      return matcher.find() ? matcher.group(1) : null;
    }
  }
}
