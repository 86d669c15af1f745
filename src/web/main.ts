import { h, render } from 'preact';

const root = document.querySelector('#page');
if (root !== null) render(h('h1', null, 'Easel'), root);
