import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.util.List;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.PosixParser;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.srvutil.ServerUtil;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;

/** Runs sub-commands of mqadmin in this JVM, one at a time, because they print to the one System.out. */
final class MqadminVerb {
  private static List<SubCommand> commands;

  private MqadminVerb() {}

  /** `args` is the command line, for example ["consumerProgress", "-n", "127.0.0.1:9876", "-g", "G"]; answers with what was printed. */
  @SuppressWarnings("deprecation")
  static synchronized Object mqadmin(Args args) throws Exception {
    String[] words = args.list("args").toArray(new String[0]);
    SubCommand command = find(words[0]);
    String[] rest = java.util.Arrays.copyOfRange(words, 1, words.length);
    Options options = command.buildCommandlineOptions(ServerUtil.buildCommandlineOptions(new Options()));
    // Not ServerUtil.parseCmdLine, which ends the JVM on a bad argument.
    CommandLine line = new PosixParser().parse(options, rest);
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream capture = new PrintStream(printed, true, "UTF-8");
    if (line.hasOption('n')) System.setProperty(MixAll.NAMESRV_ADDR_PROPERTY, line.getOptionValue('n'));
    System.setOut(capture);
    System.setErr(capture);
    try {
      command.execute(line, options, Clients.hook(args));
    } catch (Exception e) {
      throw new IllegalStateException(command.commandName() + " failed, having printed: " + printed.toString("UTF-8"), e);
    } finally {
      System.setOut(out);
      System.setErr(err);
      System.clearProperty(MixAll.NAMESRV_ADDR_PROPERTY);
    }
    return Args.map("stdout", printed.toString("UTF-8"));
  }

  private static SubCommand find(String name) throws ReflectiveOperationException {
    if (commands == null) commands = load();
    for (SubCommand command : commands) {
      if (name.equalsIgnoreCase(command.commandName()) || name.equalsIgnoreCase(command.commandAlias())) return command;
    }
    throw new IllegalArgumentException("mqadmin has no sub-command " + name);
  }

  /** The list has another name in 4.x. */
  @SuppressWarnings("unchecked")
  private static List<SubCommand> load() throws ReflectiveOperationException {
    MQAdminStartup.initCommand();
    for (Field field : MQAdminStartup.class.getDeclaredFields()) {
      if (field.getType() != List.class) continue;
      field.setAccessible(true);
      return (List<SubCommand>) field.get(null);
    }
    throw new NoSuchFieldException("MQAdminStartup keeps its sub-commands in no List");
  }
}
