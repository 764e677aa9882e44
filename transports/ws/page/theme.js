// Light or dark before the first picture, so that nothing flashes. Loaded ahead of everything else; knows only the choice.
{
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // the browser keeps nothing: then the system's choice counts
  }
}
