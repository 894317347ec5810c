import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.remoting.annotation.CFNotNull;

/** What this version's classes say about commands: codes, and the fields of the headers as they go on the wire. */
final class HeaderVerbs {
  private static final String[] PROTOCOL_PACKAGES = {"org.apache.rocketmq.remoting.protocol.", "org.apache.rocketmq.common.protocol."};
  private static final String[] HEADER_PACKAGES = {"header.", "header.namesrv.", "header.controller.", "header.controller.register."};

  private HeaderVerbs() {}

  /** `names` is a list of [command name, simple name of its header class or null]. */
  static Object headers(Args args) throws ReflectiveOperationException {
    Map<String, Object> requestCodes = constants("RequestCode");
    Map<String, Object> commands = new LinkedHashMap<>();
    Map<String, Object> headers = new LinkedHashMap<>();
    for (Object pair : args.list("names")) {
      String command = (String) ((List<?>) pair).get(0);
      String header = (String) ((List<?>) pair).get(1);
      commands.put(command, requestCodes.get(command));
      if (header != null) headers.put(header, header(header));
    }
    return Args.map("commands", commands, "headers", headers, "requestCodes", requestCodes, "responseCodes", constants("ResponseCode"),
        "systemResponseCodes", constants("RemotingSysResponseCode"), "languageCodes", languageCodes());
  }

  private static Map<String, Object> header(String name) {
    Class<?> type = null;
    for (String headerPackage : HEADER_PACKAGES) if (type == null) type = find(headerPackage + name);
    if (type == null) return Args.map("missing", true);
    Map<String, Object> fields = new LinkedHashMap<>();
    for (Class<?> level = type; level != Object.class; level = level.getSuperclass()) {
      for (Field field : level.getDeclaredFields()) {
        // The same choice as RemotingCommand.makeCustomHeaderToNet.
        if (Modifier.isStatic(field.getModifiers()) || field.getName().startsWith("this")) continue;
        fields.putIfAbsent(field.getName(), Args.map("name", field.getName(), "type", field.getType().getSimpleName(), "required",
            field.isAnnotationPresent(CFNotNull.class), "declaredBy", level.getSimpleName()));
      }
    }
    return Args.map("className", type.getName(), "fields", new ArrayList<>(fields.values()));
  }

  private static Map<String, Object> constants(String className) throws IllegalAccessException {
    Class<?> type = find(className);
    Map<String, Object> result = new TreeMap<>();
    if (type == null) return result;
    for (Field field : type.getFields()) {
      if (Modifier.isStatic(field.getModifiers()) && field.getType() == int.class) result.put(field.getName(), field.getInt(null));
    }
    return result;
  }

  private static Map<String, Object> languageCodes() {
    Map<String, Object> result = new LinkedHashMap<>();
    for (var language : org.apache.rocketmq.remoting.protocol.LanguageCode.values()) result.put(language.name(), (int) language.getCode());
    return result;
  }

  private static Class<?> find(String name) {
    for (String protocolPackage : PROTOCOL_PACKAGES) {
      try {
        return Class.forName(protocolPackage + name);
      } catch (ClassNotFoundException e) {
        continue;
      }
    }
    return null;
  }
}
