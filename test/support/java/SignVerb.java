import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Signs requests as the official client does. */
final class SignVerb {
  private SignVerb() {}

  /** The fields of a request of these `fields` and this `body` (base64) after the hook of the official client. */
  @SuppressWarnings("unchecked")
  static Object sign(Args args) {
    SessionCredentials credentials = args.has("securityToken")
        ? new SessionCredentials(args.text("accessKey"), args.text("secretKey"), args.text("securityToken"))
        : new SessionCredentials(args.text("accessKey"), args.text("secretKey"));
    RemotingCommand command = RemotingCommand.createRequestCommand(310, null);
    command.setExtFields(new HashMap<>((Map<String, String>) args.get("fields")));
    if (args.has("body")) command.setBody(Base64.getDecoder().decode(args.text("body")));
    new AclClientRPCHook(credentials).doBeforeRequest("127.0.0.1:10911", command);
    return command.getExtFields();
  }
}
