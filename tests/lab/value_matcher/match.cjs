// Reads a JSON array of [pattern, value] pairs, writes the array of answers; a pattern that it chokes on is null.
const { createPredicate } = require(process.env.MODULES + "/node_modules/value-matcher");

let text = "";
process.stdin.on("data", (piece) => (text += piece));
process.stdin.on("end", () => {
  const answers = JSON.parse(text).map(([pattern, value]) => {
    try {
      return createPredicate(pattern)(value);
    } catch {
      return null;
    }
  });
  process.stdout.write(JSON.stringify(answers));
});
