# Prints a Markdown table of a chart's values: path, default, and the comment above each key.
# Every key needs its comment of one line; lists and maps that are values stand on their key's line.
function fail(message) {
  print FILENAME ":" FNR ": " message > "/dev/stderr"
  failed = 1
  exit 1
}

BEGIN {
  print "| value | default | meaning |"
  print "|---|---|---|"
}

/^ *#/ {
  if (comment != "") fail("a comment has one line")
  comment = $0
  sub(/^ *# */, "", comment)
  next
}

/^ *[A-Za-z]+:/ {
  if (comment == "") fail("no comment above this key")
  match($0, /^ */)
  depth = RLENGTH / 2
  key = $0
  sub(/^ */, "", key)
  value = key
  sub(/:.*/, "", key)
  sub(/^[A-Za-z]+: */, "", value)
  path[depth] = key
  name = path[0]
  for (i = 1; i <= depth; i++) name = name "." path[i]
  gsub(/\|/, "\\|", comment)
  if (value == "") print "| `" name "` | | " comment " |"
  else print "| `" name "` | `" value "` | " comment " |"
  comment = ""
  next
}

{ fail("not a key with its value on the same line") }

END { if (!failed && comment != "") fail("a comment without a key") }
