import { visitOn } from "./scenario.ts";

visitOn([
  { name: "express", says: /^Express, Node \d/ },
  { name: "bun", says: /^Bun\.serve, Bun \d/ },
]);
