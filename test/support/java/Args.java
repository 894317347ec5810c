import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The arguments of one call, with an error that names a missing one. */
final class Args {
  private final Map<String, Object> values;

  Args(Map<String, Object> values) {
    this.values = values;
  }

  @SuppressWarnings("unchecked")
  static Args of(Object value) {
    return new Args(value == null ? Collections.emptyMap() : (Map<String, Object>) value);
  }

  /** An ordered map from keys and values in turn; entries whose value is {@link #ABSENT} are left out. */
  static Map<String, Object> map(Object... keysAndValues) {
    Map<String, Object> result = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      if (keysAndValues[i + 1] != ABSENT) result.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    return result;
  }

  static final Object ABSENT = new Object();

  boolean has(String name) {
    return values.get(name) != null;
  }

  Object get(String name) {
    Object value = values.get(name);
    if (value == null) throw new IllegalArgumentException("argument " + name + " is missing, got " + values.keySet());
    return value;
  }

  String text(String name) {
    return (String) get(name);
  }

  String text(String name, String otherwise) {
    return has(name) ? text(name) : otherwise;
  }

  long number(String name) {
    return ((Number) get(name)).longValue();
  }

  long number(String name, long otherwise) {
    return has(name) ? number(name) : otherwise;
  }

  boolean flag(String name, boolean otherwise) {
    return has(name) ? (Boolean) get(name) : otherwise;
  }

  /** A list; a single value counts as a list of one. */
  List<?> list(String name) {
    if (!has(name)) return Collections.emptyList();
    Object value = get(name);
    return value instanceof List ? (List<?>) value : Arrays.asList(value);
  }

  @SuppressWarnings("unchecked")
  Map<String, Object> object(String name) {
    return has(name) ? (Map<String, Object>) get(name) : Collections.emptyMap();
  }
}
