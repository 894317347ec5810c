import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads and writes plain JSON, so that nothing depends on which fastjson a version of RocketMQ brings along. */
final class Json {
  private static final long MAX_SAFE_INTEGER = (1L << 53) - 1;

  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  static Object parse(String text) {
    Json reader = new Json(text);
    Object value = reader.value();
    reader.space();
    if (reader.at < text.length()) throw reader.unexpected();
    return value;
  }

  /** Integers beyond 2^53 are written as strings, because JavaScript would round them. */
  static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    if (value == null || value instanceof Boolean || value instanceof Double) {
      out.append(value);
    } else if (value instanceof Number) {
      long number = ((Number) value).longValue();
      boolean safe = number <= MAX_SAFE_INTEGER && number >= -MAX_SAFE_INTEGER;
      out.append(safe ? "" : "\"").append(number).append(safe ? "" : "\"");
    } else if (value instanceof Map) {
      char separator = '{';
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
        out.append(separator);
        quote(String.valueOf(entry.getKey()), out);
        out.append(':');
        write(entry.getValue(), out);
        separator = ',';
      }
      out.append(separator == '{' ? "{}" : "}");
    } else if (value instanceof Iterable) {
      char separator = '[';
      for (Object item : (Iterable<?>) value) {
        out.append(separator);
        write(item, out);
        separator = ',';
      }
      out.append(separator == '[' ? "[]" : "]");
    } else {
      quote(value.toString(), out);
    }
  }

  /** Surrogates are escaped one by one: a lone one has no UTF-8 form and would reach the reader as a question mark. */
  private static void quote(String value, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < ' ' || c == 0x7f || c == 0x2028 || c == 0x2029 || Character.isSurrogate(c)) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    out.append('"');
  }

  private Object value() {
    space();
    switch (peek()) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return string();
      default:
        return word();
    }
  }

  private Map<String, Object> object() {
    Map<String, Object> result = new LinkedHashMap<>();
    at++;
    space();
    while (peek() != '}') {
      if (peek() != '"') throw unexpected();
      String key = string();
      space();
      if (peek() != ':') throw unexpected();
      at++;
      result.put(key, value());
      next('}');
    }
    at++;
    return result;
  }

  private List<Object> array() {
    List<Object> result = new ArrayList<>();
    at++;
    space();
    while (peek() != ']') {
      result.add(value());
      next(']');
    }
    at++;
    return result;
  }

  private void next(char end) {
    space();
    if (peek() == ',') {
      at++;
      space();
      if (peek() == end) throw unexpected();
    } else if (peek() != end) {
      throw unexpected();
    }
  }

  private String string() {
    StringBuilder out = new StringBuilder();
    for (at++; peek() != '"'; at++) {
      char c = peek();
      if (c == '\\') {
        at++;
        c = escaped();
      }
      out.append(c);
    }
    at++;
    return out.toString();
  }

  private char escaped() {
    char c = peek();
    switch (c) {
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'u':
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 3, at + 1), 16);
      default:
        return c;
    }
  }

  private Object word() {
    int start = at;
    while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) at++;
    String word = text.substring(start, at);
    switch (word) {
      case "null":
        return null;
      case "true":
        return true;
      case "false":
        return false;
      default:
        if (word.matches("-?\\d+")) return Long.parseLong(word);
        return Double.parseDouble(word);
    }
  }

  private void space() {
    while (at < text.length() && text.charAt(at) <= ' ') at++;
  }

  private char peek() {
    if (at >= text.length()) throw unexpected();
    return text.charAt(at);
  }

  private IllegalArgumentException unexpected() {
    return new IllegalArgumentException("not JSON at position " + at + ": " + text.substring(Math.min(at, text.length()), Math.min(at + 20, text.length())));
  }
}
