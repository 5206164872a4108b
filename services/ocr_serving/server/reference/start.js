// The theme that the reader's system asks for, before the page is drawn.
const page = document.querySelector("rapi-doc");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => page.setAttribute("theme", dark.matches ? "dark" : "light");
follow();
dark.addEventListener("change", follow);
