// What is wrong with a page, whatever is on it: a list of sentences. Run by the fixture `find_faults`.
// Contrast follows WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text.
(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) faults.push(`overflow: ${root.scrollWidth} > ${innerWidth}`);
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    const scroller = element.parentElement.closest(".scrolls");
    if (box.width && box.right > innerWidth + 1 && !scroller && !element.closest(".skip"))
      faults.push(`beyond the edge: ${element.tagName} ${element.textContent.slice(0, 40)}`);
  }
  for (const box of document.querySelectorAll(".scrolls")) {
    const start = box.textContent.trim().slice(0, 40);
    const wide = box.scrollWidth > box.clientWidth + 1;
    if (wide && getComputedStyle(box).overflowX !== "auto") faults.push(`does not scroll: ${start}`);
    if (wide && box.tabIndex !== 0) faults.push(`no key scrolls it: ${start}`);
  }
  for (const image of document.images) {
    if (!image.complete || !image.naturalWidth) faults.push(`not loaded: ${image.alt}`);
    if (!image.alt.trim()) faults.push("no alternative text");
    const wanted = image.naturalWidth / image.naturalHeight;
    const shown = image.clientWidth / image.clientHeight;
    if (Math.abs(shown / wanted - 1) > 0.05) faults.push(`distorted: ${image.alt}`);
  }
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = text => text.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const background = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest(".skip, style")) continue;
    texts++;
    const style = getComputedStyle(element);
    const pair = [luminance(parse(style.color)), luminance(background(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    const start = element.textContent.slice(0, 40);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${start}`);
    if (parseFloat(style.fontSize) < 12.8) faults.push(`type too small: ${start}`);
  }
  if (texts < 50) faults.push(`only ${texts} pieces of text`);
  for (const cell of document.querySelectorAll("tbody th"))
    if (cell.clientWidth < 100) faults.push(`squeezed: ${cell.textContent.trim().slice(0, 40)}`);
  const levels = [...document.querySelectorAll("h1,h2,h3,h4")].map(h => Number(h.tagName[1]));
  if (levels.filter(level => level === 1).length !== 1) faults.push("not exactly one h1");
  levels.forEach((level, i) => {
    if (i && level > levels[i - 1] + 1) faults.push(`h${level} after h${levels[i - 1]}`);
  });
  for (const link of document.querySelectorAll("a[href^='#']"))
    if (!document.getElementById(link.getAttribute("href").slice(1)))
      faults.push(`link to nowhere: ${link.textContent}`);
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (new Set(ids).size < ids.length) faults.push("an id twice");
  return faults.slice(0, 20);
})()
