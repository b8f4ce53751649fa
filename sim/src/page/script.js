// Shows and hides, stretches time, and keeps chart and lines together.
const body = document.body, detail = document.getElementById('detail');
const scroll = detail.querySelector('.scroll'), canvas = detail.querySelector('.canvas'), cursor = detail.querySelector('.cursor');
const lines = document.getElementById('lines'), all = [...lines.children];
for (const box of document.querySelectorAll('[data-hides]'))
  box.onchange = () => body.classList.toggle(box.dataset.hides, !box.checked);
function zoom(times, at) {
  detail.style.setProperty('--zoom', times);
  scroll.scrollLeft = canvas.clientWidth * at - scroll.clientWidth / 2;
  for (const one of document.querySelectorAll('[data-zoom]')) one.classList.toggle('on', +one.dataset.zoom === times);
}
let place = 1;
for (const one of document.querySelectorAll('[data-zoom]')) one.onclick = () => zoom(+one.dataset.zoom, place);
function point(x) {
  place = x / 100;
  cursor.setAttribute('x1', x + '%'); cursor.setAttribute('x2', x + '%'); cursor.style.visibility = 'visible';
}
canvas.onclick = (event) => {
  const box = canvas.getBoundingClientRect(), x = (event.clientX - box.left) * 100 / box.width;
  point(x);
  all.forEach((line) => line.classList.remove('near'));
  const near = all.filter((line) => line.offsetHeight > 0).findLast((line) => +line.dataset.x <= x);
  if (near) { near.classList.add('near'); near.scrollIntoView({ block: 'center' }); }
};
for (const line of all) line.onclick = () => {
  point(+line.dataset.x);
  scroll.scrollLeft = canvas.clientWidth * place - scroll.clientWidth / 2;
};
document.getElementById('filter').oninput = (event) => {
  const words = event.target.value.toLowerCase();
  for (const line of all) line.classList.toggle('out', !line.textContent.toLowerCase().includes(words));
};
zoom(1, 1);
lines.scrollTop = lines.scrollHeight;
