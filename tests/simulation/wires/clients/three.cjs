// Every call of @alpacahq/alpaca-trade-api 3 against one exchange. Prints {"done": [...], "failed": {...}, "seen": {...}}.
const [url] = process.argv.slice(2);
const Alpaca = require("@alpacahq/alpaca-trade-api");
const alpaca = new Alpaca({ keyId: "SIM", secretKey: "SIM", paper: true, baseUrl: url, dataBaseUrl: url, feed: "iex" });
const done = [], failed = {}, seen = {};
const attempt = async (name, call) => {
  try {
    const found = await call();
    done.push(name);
    return found;
  } catch (error) {
    failed[name] = error.message + " " + JSON.stringify(error.response ? error.response.data : null);
  }
};
const step = (seconds) => fetch(url + "/sim/clock/step", { method: "POST", body: JSON.stringify({ seconds }) }).then((answer) => answer.text());
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const note = (name) => (seen[name] = (seen[name] || 0) + 1);
const drain = async (rows) => {
  const found = [];
  for await (const row of rows) found.push(row);
  if (!found.length) throw new Error("nothing came");
  return found;
};

(async () => {
  await attempt("account", () => alpaca.getAccount());
  await attempt("configuration", () => alpaca.getAccountConfigurations());
  await attempt("configure", () => alpaca.updateAccountConfigurations({ no_shorting: false }));
  await attempt("clock", () => alpaca.getClock());
  await attempt("calendar", () => alpaca.getCalendar({ start: "2026-11-20", end: "2026-11-30" }));
  await attempt("assets", () => alpaca.getAssets({ status: "active" }));
  await attempt("asset", () => alpaca.getAsset("AAPL"));
  const make = (body) => alpaca.createOrder({ qty: 2, side: "buy", type: "market", time_in_force: "day", ...body });
  const bought = await attempt("order", () => make({ symbol: "AAPL" }));
  await step(5);
  const limit = await attempt("limit", () => make({ symbol: "GE", type: "limit", limit_price: 10, client_order_id: "three" }));
  await step(3);
  await attempt("orders", () => alpaca.getOrders({ status: "all", limit: 10, nested: true }));
  await attempt("one", () => alpaca.getOrder(bought.id));
  await attempt("by client", () => alpaca.getOrderByClientId("three"));
  const moved = await attempt("replace", () => alpaca.replaceOrder(limit.id, { limit_price: 11 }));
  await step(3);
  await attempt("cancel", () => alpaca.cancelOrder(moved.id));
  await step(3);
  await attempt("cancel all", () => alpaca.cancelAllOrders());
  await attempt("positions", () => alpaca.getPositions());
  await attempt("position", () => alpaca.getPosition("AAPL"));
  await attempt("close", () => alpaca.closePosition("AAPL"));
  await step(3);
  await attempt("close all", () => alpaca.closeAllPositions());
  await attempt("history", () => alpaca.getPortfolioHistory({ period: "1D", timeframe: "5Min" }));
  await attempt("activities", () => alpaca.getAccountActivities({ activityTypes: "FILL" }));
  const made = await attempt("watchlist", () => alpaca.addWatchlist("three", ["AAPL"]));
  await attempt("watchlists", () => alpaca.getWatchlists());
  await attempt("watchlist add", () => alpaca.addToWatchlist(made.id, "KO"));
  await attempt("watchlist less", () => alpaca.deleteFromWatchlist(made.id, "KO"));
  await attempt("watchlist update", () => alpaca.updateWatchlist(made.id, { name: "drei", symbols: ["GE"] }));
  await attempt("watchlist gone", () => alpaca.deleteWatchlist(made.id));
  const span = { start: "2026-11-20T14:30:00Z", end: "2026-11-20T14:31:00Z", limit: 5 };
  await attempt("bars", () => drain(alpaca.getBarsV2("AAPL", { start: "2026-11-18", end: "2026-11-20", timeframe: "1Day", limit: 5 })));
  await attempt("bars of many", () => alpaca.getMultiBarsV2(["AAPL", "KO"], { start: "2026-11-18", end: "2026-11-20", timeframe: "1Day" }));
  await attempt("trades", () => drain(alpaca.getTradesV2("AAPL", span)));
  await attempt("quotes", () => drain(alpaca.getQuotesV2("AAPL", span)));
  await attempt("latest bar", () => alpaca.getLatestBar("AAPL"));
  await attempt("latest trade", () => alpaca.getLatestTrade("AAPL"));
  await attempt("latest quote", () => alpaca.getLatestQuote("AAPL"));
  await attempt("snapshot", () => alpaca.getSnapshot("AAPL"));
  await attempt("snapshots", () => alpaca.getSnapshots(["AAPL", "KO"]));
  await attempt("news", () => alpaca.getNews({ symbols: ["AAPL"] }));

  const data = alpaca.data_stream_v2;
  data.session.url = url.replace("http", "ws") + "/v2/sip";
  data.onError((error) => (failed["data stream"] = String(error)));
  data.onStockTrade(() => note("trade"));
  data.onStockQuote(() => note("quote"));
  data.onStockBar(() => note("bar"));
  data.onConnect(() => {
    data.subscribeForTrades(["AAPL"]);
    data.subscribeForQuotes(["AAPL"]);
    data.subscribeForBars(["*"]);
  });
  const updates = alpaca.trade_ws;
  updates.onConnect(() => updates.subscribe(["trade_updates"]));
  updates.onOrderUpdate((update) => note(update.event));
  data.connect();
  updates.connect();
  for (let round = 0; round < 100; round++) {
    const state = await (await fetch(url + "/sim/clock")).json();
    if (state.clients.market && state.clients.trading) break;
    await pause(50);
  }
  await pause(200);
  await attempt("order heard of", () => make({ symbol: "AAPL" }));
  await step(65);
  await step(65);
  await pause(500);
  console.log(JSON.stringify({ done, failed, seen }));
  process.exit(0);
})();
