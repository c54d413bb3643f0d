export interface Question {
  readonly text: string;
  /** The right one first; they are shown in any order. */
  readonly choices: readonly [right: string, ...wrong: string[]];
  /** One sentence, shown with the answer. */
  readonly why: string;
}

/** On the plumbing of the web, and plumbing. */
export const QUESTIONS: readonly Question[] = [
  {
    text: "What ends an event in an event stream?",
    choices: ["An empty line", "A semicolon", "A NUL byte", "The end of the packet"],
    why: "Lines of fields gather until an empty line dispatches them; packets mean nothing to the format.",
  },
  {
    text: "An event stream is always decoded as…",
    choices: ["UTF-8", "ASCII", "Latin-1", "What charset= says"],
    why: "The HTML Standard knows one encoding for event streams, whatever the header claims.",
  },
  {
    text: "Which request header tells a server where a stream broke off?",
    choices: ["Last-Event-ID", "If-Modified-Since", "Range", "Resume-From"],
    why: "The browser sends back the last id that it was given, all by itself.",
  },
  {
    text: "Which status tells an EventSource never to come back?",
    choices: ["204 No Content", "200 OK", "301 Moved Permanently", "100 Continue"],
    why: "204 is the standard’s way to say that all has been said.",
  },
  {
    text: "A line of an event stream begins with a colon. What is it?",
    choices: ["A comment", "An error", "A new event", "A retry time"],
    why: "Comments are thrown away, which makes them good for keeping a line warm.",
  },
  {
    text: "Over HTTP/1.1, how many connections does a browser open to one server?",
    choices: ["Six", "One", "A hundred", "As many as it likes"],
    why: "For all tabs together, which is why a tab of this page that nobody sees lets go of its own.",
  },
  {
    text: "“retry: 3000” in an event stream means:",
    choices: ["Wait 3 s before reconnecting", "Try 3,000 times", "Use port 3000", "Resend event 3000"],
    why: "The reconnection time is in milliseconds, and the server may change it at any moment.",
  },
  {
    text: "What does a TCP reset (RST) do that a FIN does not?",
    choices: [
      "Ends both directions at once",
      "Asks for a password",
      "Slows the sender down",
      "Moves the connection elsewhere",
    ],
    why: "It is what the button below makes the server send.",
  },
  {
    text: "Through which field does a TCP receiver hold back a fast sender?",
    choices: ["The window", "The checksum", "The source port", "The urgent pointer"],
    why: "A window of zero closes the sluice until the receiver has read something.",
  },
  {
    text: "Which port has HTTPS by default?",
    choices: ["443", "80", "22", "8080"],
    why: "80 is that of plain HTTP, which a demo on your own machine may use.",
  },
  {
    text: "What does DNS turn a name into?",
    choices: ["An address", "A certificate", "A cookie", "A route"],
    why: "Routes are found on the way, one router after another.",
  },
  {
    text: "On which protocol does HTTP/3 travel?",
    choices: ["QUIC, over UDP", "TCP", "SCTP", "ICMP"],
    why: "So a lost packet holds up one stream, and not all of them.",
  },
  {
    text: "What does HTTP 418 say?",
    choices: ["I’m a teapot", "Too many requests", "Gone fishing", "Payment required"],
    why: "From an April Fools’ specification of 1998; 402 and 429 are meant seriously.",
  },
  {
    text: "What does “Cache-Control: no-store” ask for?",
    choices: ["Keep no copy", "Keep it for a day", "Ask before each use", "Compress it"],
    why: "Asking before each use is “no-cache”, one of the great misnomers.",
  },
  {
    text: "What is backpressure?",
    choices: [
      "A reader slowing its writer",
      "A second copy of the data",
      "A retry after an error",
      "A queue without an end",
    ],
    why: "Without it, what the reader cannot take piles up in the writer’s memory.",
  },
  {
    text: "What is a sluice?",
    choices: ["A gate for a flow of water", "A kind of pump", "A dried river", "A unit of pressure"],
    why: "From Latin exclusa: water that is shut out.",
  },
  {
    text: "Mitre gates of canal locks, in a V that points upstream, are ascribed to…",
    choices: ["Leonardo da Vinci", "James Watt", "Archimedes", "Isambard Brunel"],
    why: "Around 1500 in Milan; the water itself presses them shut, and it still does everywhere.",
  },
  {
    text: "What does a canal lock do?",
    choices: ["Lifts boats between levels", "Cleans the water", "Measures the tide", "Keeps fish apart"],
    why: "It fills and empties through sluices, and needs no pump.",
  },
  {
    text: "How much of the Earth’s water is fresh?",
    choices: ["About 3 %", "About 20 %", "About a third", "About half"],
    why: "Two thirds of that is ice.",
  },
  {
    text: "At which temperature is water at its densest?",
    choices: ["4 °C", "0 °C", "−10 °C", "37 °C"],
    why: "So lakes freeze from the top, and fish live on below.",
  },
  {
    text: "What happens in a pipe when a valve shuts too fast?",
    choices: ["Water hammer", "Capillary action", "Osmosis", "A siphon"],
    why: "A wave of pressure runs back up the pipe: backpressure of the loud kind.",
  },
  {
    text: "How many bytes does an IPv6 address have?",
    choices: ["16", "4", "6", "64"],
    why: "An IPv4 address has four, and the world has long run out of them.",
  },
  {
    text: "What did Tim Berners-Lee build the first web server on?",
    choices: ["A NeXT computer", "A Macintosh", "An IBM PC", "A VAX"],
    why: "It bore a label in red ink: “This machine is a server. DO NOT POWER IT DOWN!!”",
  },
  {
    text: "In which year did the first web page go online?",
    choices: ["1991", "1969", "1984", "1998"],
    why: "At CERN; in 1969 the first four computers of the ARPANET were joined.",
  },
  {
    text: "What does a Content-Security-Policy of this page’s kind forbid?",
    choices: ["Scripts from elsewhere", "Large images", "Old browsers", "Slow connections"],
    why: "Everything here comes from the server in the terminal; the browser would refuse the rest.",
  },
  {
    text: "What do the Roman aqueducts need to make the water flow?",
    choices: ["A slight slope", "Water wheels", "Pressure tanks", "Lead pistons"],
    why: "That of Nîmes falls about 12 m in 50 km.",
  },
];
