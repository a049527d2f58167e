(function () {
  "use strict";
  document.documentElement.classList.add("js");
  var stops = Array.prototype.slice.call(document.querySelectorAll(".finding, .type, .change, .part"));
  function here() {
    var at = -1;
    stops.forEach(function (s, i) { at = s.getBoundingClientRect().top > 80 ? at : i; });
    return at;
  }
  function go(i) {
    var s = stops[Math.max(0, Math.min(stops.length - 1, i))];
    if (!s) { return; }
    s.scrollIntoView();
    s.focus({ preventScroll: true });
  }
  function unfold() {
    var all = document.querySelectorAll("main details");
    var closed = document.querySelector("main details:not([open])") !== null;
    all.forEach(function (d) { d.open = closed ? true : !d.classList.contains("fold"); });
  }
  document.addEventListener("keydown", function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey) { return; }
    if (e.key === "j") { go(here() + 1); }
    if (e.key === "k") { go(here() - 1); }
    if (e.key === "e") { unfold(); }
    if (e.key === "s") { document.querySelectorAll("#lines").forEach(function (box) { box.click(); }); }
  });
}());
