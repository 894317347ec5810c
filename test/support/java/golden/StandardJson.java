import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Turns fastjson's text into values that can be written as JSON. It knows only what fastjson prints: no white space, double quotes. */
final class StandardJson {
  private final String text;
  private int at;

  private StandardJson(String text) {
    this.text = text;
  }

  static Object of(String text) {
    StandardJson reader = new StandardJson(text);
    Object value = reader.value();
    if (reader.at != text.length()) throw new IllegalArgumentException("more text at " + reader.at + " of " + text);
    return value;
  }

  private Object value() {
    switch (text.charAt(at)) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return Json.parse(string());
      default:
        int start = at;
        while (",]}:".indexOf(text.charAt(at)) < 0) at++;
        return Json.parse(text.substring(start, at));
    }
  }

  /** A list of pairs if the keys are objects, else a map. */
  private Object object() {
    List<Object> pairs = new ArrayList<>();
    Map<String, Object> map = new LinkedHashMap<>();
    boolean hasObjectKeys = text.charAt(at + 1) == '{';
    for (at++; text.charAt(at) != '}'; skip(',')) {
      Object key = value();
      if (!skip(':')) throw new IllegalArgumentException("no colon at " + at + " of " + text);
      Object value = value();
      pairs.add(Arrays.asList(key, value));
      map.put(String.valueOf(key), value);
    }
    at++;
    return hasObjectKeys ? pairs : map;
  }

  private List<Object> array() {
    List<Object> items = new ArrayList<>();
    for (at++; text.charAt(at) != ']'; skip(',')) items.add(value());
    at++;
    return items;
  }

  private String string() {
    int start = at++;
    while (text.charAt(at) != '"') at += text.charAt(at) == '\\' ? 2 : 1;
    return text.substring(start, ++at);
  }

  private boolean skip(char c) {
    if (text.charAt(at) != c) return false;
    at++;
    return true;
  }
}
