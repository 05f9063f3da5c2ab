// Every call of @alpacahq/alpaca-trade-api 4 against one exchange. Prints {"done": [...], "failed": {...}, "seen": {...}}.
const [url] = process.argv.slice(2);
const { trading, marketData, streaming } = require("@alpacahq/alpaca-trade-api");
const done = [], failed = {}, seen = {};
const attempt = async (name, call) => {
  try {
    const found = await call();
    done.push(name);
    return found;
  } catch (error) {
    failed[name] = String(error) + (error.response ? " " + (await error.response.text().catch(() => "")) : "");
  }
};
const step = (seconds) => fetch(url + "/sim/clock/step", { method: "POST", body: JSON.stringify({ seconds }) }).then((answer) => answer.text());
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const note = (name) => (seen[name] = (seen[name] || 0) + 1);

(async () => {
  const headers = { "APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM" };
  const T = (name) => new trading[name](new trading.Configuration({ basePath: url, headers }));
  const M = (name) => new marketData[name](new marketData.Configuration({ basePath: url, headers }));
  await attempt("account", () => T("AccountsApi").getAccount());
  await attempt("configuration", () => T("AccountConfigurationsApi").getAccountConfig());
  await attempt("clock", () => T("ClockApi").legacyClock());
  await attempt("clocks", () => T("ClockApi").clock({ markets: "NYSE" }));
  await attempt("calendar", () => T("CalendarApi").legacyCalendar({ start: new Date("2026-11-20"), end: new Date("2026-11-30") }));
  await attempt("calendars", () => T("CalendarApi").calendar({ market: "NYSE" }));
  await attempt("assets", () => T("AssetsApi").getV2Assets({ status: "active" }));
  await attempt("asset", () => T("AssetsApi").getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "AAPL" }));
  const orders = T("OrdersApi");
  const make = (body) => orders.postOrder({ postOrderRequest: { side: "buy", type: "market", timeInForce: "day", qty: "2", ...body } });
  const bought = await attempt("order", () => make({ symbol: "AAPL" }));
  await step(5);
  const limit = await attempt("limit", () => make({ symbol: "GE", type: "limit", limitPrice: "10", clientOrderId: "four" }));
  await step(3);
  await attempt("orders", () => orders.getAllOrders({ status: "all", nested: true, limit: 10 }));
  await attempt("one", () => orders.getOrderByOrderID({ orderId: bought.id }));
  await attempt("by client", () => orders.getOrderByClientOrderId({ clientOrderId: "four" }));
  const moved = await attempt("replace", () => orders.patchOrderByOrderId({ orderId: limit.id, patchOrderRequest: { limitPrice: "11" } }));
  await step(3);
  await attempt("cancel", () => orders.deleteOrderByOrderID({ orderId: moved.id }));
  await step(3);
  await attempt("cancel all", () => orders.deleteAllOrders());
  await attempt("positions", () => T("PositionsApi").getAllOpenPositions());
  await attempt("position", () => T("PositionsApi").getOpenPosition({ symbolOrAssetId: "AAPL" }));
  await attempt("close", () => T("PositionsApi").deleteOpenPosition({ symbolOrAssetId: "AAPL", qty: 1 }));
  await step(3);
  await attempt("close all", () => T("PositionsApi").deleteAllOpenPositions({ cancelOrders: true }));
  await step(3);
  await attempt("activities", () => T("AccountActivitiesApi").getAccountActivities({ activityTypes: ["FILL"] }));
  await attempt("history", () => T("PortfolioHistoryApi").getAccountPortfolioHistory({ period: "1D", timeframe: "5Min" }));
  const lists = T("WatchlistsApi");
  const made = await attempt("watchlist", () => lists.postWatchlist({ createWatchlistRequest: { name: "four", symbols: ["AAPL"] } }));
  await attempt("watchlists", () => lists.getWatchlists());
  await attempt("watchlist by name", () => lists.getWatchlistByName({ name: "four" }));
  if (made) await attempt("watchlist gone", () => lists.deleteWatchlistById({ watchlistId: made.id }));
  const stocks = M("StockApi"), symbols = "AAPL,KO", symbol = "AAPL", start = new Date("2026-11-18T00:00:00Z");
  await attempt("bars", () => stocks.stockBars({ symbols, timeframe: "1Day", start, adjustment: "all" }));
  await attempt("bars of one", () => stocks.stockBarSingle({ symbol, timeframe: "1Min", start }));
  await attempt("trades", () => stocks.stockTrades({ symbols, limit: 5, start }));
  await attempt("quotes", () => stocks.stockQuotes({ symbols, limit: 5, start }));
  await attempt("latest bars", () => stocks.stockLatestBars({ symbols }));
  await attempt("latest trade", () => stocks.stockLatestTradeSingle({ symbol }));
  await attempt("latest quotes", () => stocks.stockLatestQuotes({ symbols }));
  await attempt("snapshots", () => stocks.stockSnapshots({ symbols }));
  await attempt("snapshot", () => stocks.stockSnapshotSingle({ symbol }));
  await attempt("exchanges", () => stocks.stockMetaExchanges());
  await attempt("conditions", () => stocks.stockMetaConditions({ ticktype: "trade", tape: "A" }));
  await attempt("actives", () => M("ScreenerApi").mostActives({ by: "volume", top: 5 }));
  await attempt("movers", () => M("ScreenerApi").movers({ marketType: "stocks", top: 5 }));
  await attempt("news", () => M("NewsApi").news({ symbols }));
  await attempt("corporate actions", () => M("CorporateActionsApi").corporateActions({ symbols }));

  const keys = { credentials: { keyId: "SIM", secret: "SIM" } }, base = url.replace("http", "ws");
  const data = new streaming.StockDataStream({ ...keys, url: base + "/v2/sip" });
  data.onTrade(() => note("trade"));
  data.onQuote(() => note("quote"));
  data.onBar(() => note("bar"));
  data.onError((error) => (failed["data stream"] = String(error)));
  data.onConnect(() => {
    data.subscribeForTrades(["AAPL"]);
    data.subscribeForQuotes(["AAPL"]);
    data.subscribeForBars(["*"]);
  });
  const updates = new streaming.TradingStream({ ...keys, url: base + "/stream" });
  updates.onTradeUpdate((update) => note(update.event));
  updates.onError((error) => (failed["order stream"] = String(error)));
  updates.subscribeTradeUpdates();
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
